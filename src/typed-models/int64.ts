import { GraphQLError, GraphQLScalarType } from 'graphql';

/** The type of integers that a model returns. Inputs have `SafeInt`, since a JSON number beyond 2^53 is inexact. */
export const Int64 = new GraphQLScalarType<number | string, number | string>({
  name: 'Int64',
  description:
    'An integer of 64 bits: a number up to 2^53 - 1 in either direction, and a string of digits beyond, where numbers are inexact.',
  serialize(value) {
    if (Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d{1,20}$/.test(value)))
      return value as number | string;
    throw new GraphQLError('Int64 cannot represent a value that is not an integer of 64 bits.');
  },
});
