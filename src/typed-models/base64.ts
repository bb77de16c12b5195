import { GraphQLScalarType, Kind } from 'graphql';
import { InvalidScalar } from '../graphql/schema/invalid-scalar.js';

/** Characters of the largest value: an image of 16 MiB. */
const maxLength = 22_500_000;

/** @throws InvalidScalar */
function parsed(value: unknown): string {
  if (typeof value !== 'string') throw new InvalidScalar('Base64 must be a string.');
  if (value.length > maxLength) throw new InvalidScalar(`Base64 must have ${maxLength} characters or fewer.`);
  return value;
}

/** The type of files. What they contain is checked by the input that takes them. */
export const Base64 = new GraphQLScalarType<string, string>({
  name: 'Base64',
  description: 'A file in base64, also as a data URL: `data:image/png;base64,iVBORw0...`.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc4648#section-4',
  parseValue: parsed,
  parseLiteral: (node) => parsed(node.kind === Kind.STRING ? node.value : null),
  serialize: (value) => parsed(value),
});
