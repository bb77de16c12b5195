import { GraphQLScalarType, Kind } from 'graphql';
import { InvalidScalar } from '../schema/invalid-scalar.js';

/** The longest text of these scalars that a caller may send. */
const maxLength = 1000;

/** A scalar whose values are texts of one form; results are as PostgreSQL writes them. */
function textScalar(
  name: string,
  description: string,
  {
    form,
    example,
    specification,
    maxLength: max = maxLength,
  }: { form: RegExp; example: string; specification: string; maxLength?: number },
): GraphQLScalarType<string, string> {
  const parsed = (value: unknown): string => {
    if (typeof value === 'string' && value.length <= max && form.test(value)) return value;
    throw new InvalidScalar(`${name} must be a string such as "${example}".`);
  };
  return new GraphQLScalarType({
    name,
    description: `${description}, such as "${example}".`,
    specifiedByURL: specification,
    serialize: String,
    parseValue: parsed,
    parseLiteral: (node) => parsed(node.kind === Kind.STRING ? node.value : null),
  });
}

/** An integer of 64 bits: a number in JSON would lose digits. */
export const BigInteger = textScalar('BigInt', 'An integer of up to 64 bits as a string', {
  form: /^-?\d{1,19}$/,
  example: '9007199254740993',
  specification: 'https://www.postgresql.org/docs/current/datatype-numeric.html',
});

/** A decimal number of any precision: a number in JSON would lose digits. */
export const Decimal = textScalar('Decimal', 'A decimal number with all its digits as a string', {
  form: /^-?\d+(?:\.\d+)?$/,
  example: '19.90',
  specification: 'https://www.postgresql.org/docs/current/datatype-numeric.html',
});

/** A time without a zone. */
export const LocalDateTime = textScalar('LocalDateTime', 'A date and time without a time zone', {
  form: /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?$/,
  example: '2007-12-03T10:15:30',
  specification: 'https://www.iso.org/iso-8601-date-and-time-format.html',
});

/** A time of day. */
export const LocalTime = textScalar('LocalTime', 'A time of day, with its offset from UTC if the column has one', {
  form: /^\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[+-]\d\d(?::\d\d)?)?$/,
  example: '10:15:30',
  specification: 'https://www.iso.org/iso-8601-date-and-time-format.html',
});

/** A span of time. */
export const Duration = textScalar('Duration', 'A span of time in the form of ISO 8601', {
  form: /^-?P[\dYMWDTHS.-]{1,100}$/,
  example: 'P1DT2H',
  specification: 'https://www.iso.org/iso-8601-date-and-time-format.html',
});

/** A UUID. */
export const Uuid = textScalar('UUID', 'A UUID in lower case', {
  form: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  example: '0192f0c1-2345-7abc-8def-0123456789ab',
  specification: 'https://www.rfc-editor.org/rfc/rfc9562',
});

/** Bytes. `Base64` is the scalar of images, which are longer. */
export const Bytes = textScalar('Bytes', 'Bytes in base64', {
  form: /^[A-Za-z\d+/]*={0,2}$/,
  example: 'aGVsbG8=',
  specification: 'https://www.rfc-editor.org/rfc/rfc4648#section-4',
  maxLength: 1_000_000,
});
