import 'reflect-metadata';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { GraphQLError, parse, Source, type GraphQLErrorOptions } from 'graphql';
import { createErrorFormatter } from '../../src/graphql/errors/format-error.js';
import { limitErrors } from '../../src/graphql/errors/limit-errors.js';
import {
  BadUserInput,
  Conflict,
  Forbidden,
  NotFound,
  ServiceUnavailable,
  TooManyAttempts,
  Unauthenticated,
} from '../../src/errors/app-error.js';
import {
  errorCodes,
  isCallerError,
  isErrorCode,
  isServerError,
  knownCode,
  type ErrorCodeEntry,
} from '../../src/errors/codes.js';
import { errorReference } from '../../src/scripts/lib/generated-docs.js';
import { createLogger } from '../../src/telemetry/logger.js';

const root = path.join(import.meta.dirname, '..', '..');

describe('the table of error codes', () => {
  it('contains every code in the sources', () => {
    const codes = globSync('src/**/*.ts', { cwd: root }).flatMap((file) =>
      [
        ...readFileSync(path.join(root, file), 'utf8').matchAll(/(?:super\(\s*|code: |withCode\(.*)'([A-Z_]{6,})'/g),
      ].map(([, code]) => code),
    );
    expect(new Set(codes).size).toBeGreaterThan(20);
    const codesOfWarnings = ['OUT_OF_TRAINING_RANGE', 'UNKNOWN_CATEGORY'];
    expect(codes.filter((code) => !isErrorCode(code) && !codesOfWarnings.includes(code ?? ''))).toEqual([]);
  });

  it('attributes every code to the caller or the server, and 5xx rejections to load alone', () => {
    expect([isServerError('INTERNAL_SERVER_ERROR'), isServerError('FORBIDDEN'), isServerError('UNKNOWN')]).toEqual([
      true,
      false,
      false,
    ]);
    expect([isCallerError('FORBIDDEN'), isCallerError('TIMEOUT'), isCallerError(undefined)]).toEqual([
      true,
      false,
      false,
    ]);
    const rejectedBy5xx = Object.entries<ErrorCodeEntry>(errorCodes).filter(
      ([, { httpStatus, rejection }]) => httpStatus >= 500 && rejection !== null,
    );
    expect(rejectedBy5xx.map(([code]) => code)).toEqual(['OVERLOADED']);
  });

  it('bounds metric labels to known codes', () => {
    expect([knownCode('CONFLICT'), knownCode('anything'), knownCode(undefined)]).toEqual([
      'CONFLICT',
      'OTHER',
      'OTHER',
    ]);
  });

  it('is what docs/errors.md lists', () => {
    expect(readFileSync(path.join(root, 'docs', 'errors.md'), 'utf8')).toBe(errorReference());
  });
});

describe('errors for callers', () => {
  it.each([
    [new BadUserInput('m'), 'BAD_USER_INPUT', 200],
    [new Unauthenticated(), 'UNAUTHENTICATED', 401],
    [new Forbidden(), 'FORBIDDEN', 200],
    [new NotFound('employee', 'employee_x'), 'NOT_FOUND', 200],
    [new Conflict('m'), 'CONFLICT', 200],
    [new TooManyAttempts('m', 7), 'TOO_MANY_REQUESTS', 429],
    [new ServiceUnavailable('m'), 'SERVICE_UNAVAILABLE', 503],
  ])('%s has its code and status', (error, code, status) => {
    expect(error).toMatchObject({ code, httpStatus: status, extensions: { code } });
    expect(error.message).not.toBe('');
    expect(error.name).toBe(error.constructor.name);
  });

  it('list every invalid field, the first three in the message', () => {
    const problems = ['a', 'b', 'c', 'd', 'e'].map((field) => ({ field, message: 'is wrong' }));
    const error = BadUserInput.ofFields(problems);
    expect(error.message).toBe('Invalid input: a is wrong; b is wrong; c is wrong; and 2 more.');
    expect(error.extensions.fields).toEqual(problems);
  });

  it('name the row of a list of inputs', () => {
    expect(BadUserInput.ofFields([{ row: 4, field: 'year', message: 'is required' }]).message).toBe(
      'Invalid input: row 4: year is required.',
    );
  });

  it('say when to retry', () => {
    expect(new TooManyAttempts('m', 7).extensions.retryAfterSeconds).toBe(7);
    expect(new ServiceUnavailable('m').extensions.retryAfterSeconds).toBe(1);
  });
});

describe('the error formatter', () => {
  const lines: string[] = [];
  const log = createLogger('info', { write: (line) => void lines.push(line) });
  const format = (error: GraphQLError) =>
    createErrorFormatter(log)(
      { ...error.toJSON(), extensions: { code: 'INTERNAL_SERVER_ERROR', ...error.extensions } },
      error,
    );

  it('masks an error of a resolver that resembles an error for callers', () => {
    const impostor = Object.assign(new Error('select secret from vault'), { extensions: { code: 'BAD_USER_INPUT' } });
    const formatted = format(new GraphQLError(impostor.message, { path: ['x'], originalError: impostor }));
    expect(formatted.extensions?.code).toBe('INTERNAL_SERVER_ERROR');
    expect(JSON.stringify(formatted)).not.toContain('vault');
    expect(lines.at(-1)).toContain('select secret from vault');
    expect(lines.at(-1)).toContain(formatted.extensions?.errorId);
  });

  it('masks a value that is not an error', () => {
    const formatted = createErrorFormatter(log)({ message: 'leak', extensions: { code: 'X' } }, 'leak');
    expect(formatted.message).toMatch(/^Internal error\. Quote the id/);
  });

  it('shortens messages and lists at most ten locations', () => {
    const source = new Source('a '.repeat(50));
    const positions = Array.from({ length: 50 }, (_none, index) => index * 2);
    const code = { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } };
    const formatted = format(new GraphQLError(`Unknown ${'x'.repeat(1_000_000)}`, { ...code, source, positions }));
    expect(formatted.message).toHaveLength(300);
    expect(formatted.message).toMatch(/^Unknown x+\.\.\.$/);
    expect(formatted.locations).toHaveLength(10);
    const ours = new BadUserInput('m'.repeat(5000));
    expect(format(new GraphQLError('m', { path: ['x'], originalError: ours })).message).toHaveLength(300);
  });

  it.each(['{ a(b: "pw" "hunter2") }', '{ a(b: c """hunter2""") }', '{ "hunter2" }', '{ a(b: { "hunter2" }) }'])(
    'omits the text of strings from the syntax error of %s',
    (text) => {
      const error = thrownBy(() => parse(text));
      const formatted = format(
        new GraphQLError(error.message, { extensions: { code: 'GRAPHQL_PARSE_FAILED' }, originalError: error }),
      );
      expect(formatted.message).toMatch(/^Syntax Error: .*String\.$/);
      expect(JSON.stringify(formatted)).not.toContain('hunter2');
    },
  );

  it('reports a document with too many tokens as too large', () => {
    const error = thrownBy(() => parse('{ a b c d e f g h i j }', { maxTokens: 5 }));
    expect(format(error)).toMatchObject({
      message: 'The document has more than 5 tokens; split it. The limit is MAX_QUERY_TOKENS.',
      extensions: { code: 'QUERY_TOO_LARGE' },
    });
    const other = new GraphQLError('Syntax Error: Unexpected "Document contains more than 5 tokens."', {
      extensions: { code: 'GRAPHQL_PARSE_FAILED' },
    });
    expect(format(other).extensions?.code).toBe('GRAPHQL_PARSE_FAILED');
  });
});

function thrownBy(act: () => unknown): GraphQLError {
  try {
    act();
  } catch (error) {
    if (error instanceof GraphQLError) return error;
  }
  throw new Error('Nothing was thrown.');
}

describe('the errors of a result', () => {
  const errors = (count: number, options: GraphQLErrorOptions = {}) =>
    Array.from(
      { length: count },
      (_none, index) => new GraphQLError(`e${index}`, { path: ['nodes', index], ...options }),
    );

  it('are unchanged up to ten', () => {
    const ten = errors(10);
    expect(limitErrors(ten)).toBe(ten);
  });

  it('of callers capture no stack', () => {
    expect(new Forbidden().stack).not.toContain('\n    at ');
    expect(new ServiceUnavailable('down', 1).stack).toContain('\n    at ');
    expect(new Error('later').stack).toContain('\n    at ');
  });

  it.each([
    [{ originalError: new Forbidden() }, 'FORBIDDEN'],
    [{ extensions: { code: 'BAD_USER_INPUT' } }, 'BAD_USER_INPUT'],
    [{ originalError: new Error('a bug') }, 'INTERNAL_SERVER_ERROR'],
  ])('are counted beyond ten, under the code of the first omitted one', (options, code) => {
    // As if an executor created 100 errors, or ten and counted the others.
    expect(limitErrors(errors(10, options), 90)).toEqual(limitErrors(errors(100, options)));
    const limited = limitErrors(errors(100, options));
    expect(limited).toHaveLength(10);
    expect(limited[8]?.message).toBe('e8');
    const last = limited[9] ?? new GraphQLError('none');
    const formatted = createErrorFormatter(createLogger('silent'))(last.toJSON(), last);
    expect(formatted).toEqual({
      message: '91 more errors were omitted.',
      path: ['nodes', 9],
      extensions: { code, omittedErrors: 91 },
    });
  });
});
