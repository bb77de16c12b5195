import { describe, expect, it } from '@jest/globals';
import { Kind, type GraphQLScalarType } from 'graphql';
import { GraphQLDate, GraphQLDateTime } from '../../src/graphql/schema/scalars.js';

/** The errors for a value as a variable and as a literal. */
function errorsOf(scalar: GraphQLScalarType, value: unknown): string[] {
  const attempts = [
    () => scalar.parseValue(value),
    ...(typeof value === 'string' ? [() => scalar.parseLiteral({ kind: Kind.STRING, value })] : []),
  ];
  return attempts.flatMap((attempt) => {
    try {
      attempt();
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
}

describe('Date', () => {
  it('accepts a day', () => {
    expect(GraphQLDate.parseValue('2026-01-05')).toEqual(new Date('2026-01-05T00:00:00Z'));
    expect(errorsOf(GraphQLDate, '2026-01-05')).toEqual([]);
  });

  it.each(['2026-01-05T00:00:00', '2026-01-05T00:00:00Z', '2026-02-30', '05.01.2026', ''])(
    'states the form that it accepts if it rejects %j',
    (value) => {
      const message = `Date must be a day such as 2007-12-03, without a time.`;
      expect(errorsOf(GraphQLDate, value)).toEqual([message, message]);
    },
  );
});

describe('DateTime', () => {
  it.each(['2026-01-05T10:00:00Z', '2026-01-05T11:00:00+01:00', '2026-01-05T10:00:00.000Z'])('accepts %s', (value) => {
    expect(GraphQLDateTime.parseValue(value)).toEqual(new Date('2026-01-05T10:00:00Z'));
    expect(errorsOf(GraphQLDateTime, value)).toEqual([]);
  });

  it.each(['2026-01-05T10:00:00', '2026-01-05', '2026-13-05T10:00:00Z', 'now'])(
    'states the form that it accepts if it rejects %j',
    (value) => {
      expect(errorsOf(GraphQLDateTime, value)).toEqual(
        Array(2).fill(`DateTime must be a time with a zone such as 2007-12-03T10:15:30Z or 2007-12-03T11:15:30+01:00.`),
      );
    },
  );
});

it.each([GraphQLDate, GraphQLDateTime])('%s bounds the length of its errors', (scalar) => {
  for (const value of ['x'.repeat(100_000), 5, true, { deep: 'x'.repeat(100_000) }])
    for (const message of errorsOf(scalar, value)) expect(message.length).toBeLessThan(250);
});
