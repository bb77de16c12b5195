import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { GraphQLError } from 'graphql';
import { createErrorFormatter } from '../../src/graphql/format-error.js';
import { BadUserInput, Conflict, Forbidden, NotFound, ServiceUnavailable, TooManyAttempts, Unauthenticated } from '../../src/shared/errors.js';
import { createLogger } from '../../src/shared/logger.js';

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

  it('name every faulty field, the first three in the message', () => {
    const problems = ['a', 'b', 'c', 'd', 'e'].map((field) => ({ field, message: 'is wrong' }));
    const error = BadUserInput.ofFields(problems);
    expect(error.message).toBe('Invalid input: a is wrong; b is wrong; c is wrong; and 2 more.');
    expect(error.extensions.fields).toEqual(problems);
  });

  it('name the row where there are rows', () => {
    expect(BadUserInput.ofFields([{ row: 4, field: 'year', message: 'is required' }]).message).toBe('Invalid input: row 4: year is required.');
  });

  it('say when to come again', () => {
    expect(new TooManyAttempts('m', 7).extensions.retryAfterSeconds).toBe(7);
    expect(new ServiceUnavailable('m').extensions.retryAfterSeconds).toBe(1);
  });
});

describe('the formatter', () => {
  const lines: string[] = [];
  const log = createLogger('info', { write: (line) => void lines.push(line) });
  const format = (error: GraphQLError, hidesSuggestions = false) => createErrorFormatter({ log, hidesSuggestions })({ ...error.toJSON(), extensions: { code: 'INTERNAL_SERVER_ERROR', ...error.extensions } }, error);

  it('masks what a resolver throws, even where it looks like an error for callers', () => {
    const impostor = Object.assign(new Error('select secret from vault'), { extensions: { code: 'BAD_USER_INPUT' } });
    const told = format(new GraphQLError(impostor.message, { path: ['x'], originalError: impostor }));
    expect(told.extensions?.code).toBe('INTERNAL_SERVER_ERROR');
    expect(JSON.stringify(told)).not.toContain('vault');
    expect(lines.at(-1)).toContain('select secret from vault');
    expect(lines.at(-1)).toContain(told.extensions?.errorId);
  });

  it('masks what is not even an error', () => {
    const told = createErrorFormatter({ log, hidesSuggestions: false })({ message: 'leak', extensions: { code: 'X' } }, 'leak');
    expect(told.message).toMatch(/^Internal error\. Quote the id/);
  });

  it('drops guesses only where they are to be hidden', () => {
    const error = new GraphQLError('Unknown type "Usr". Did you mean "User" or "Role"?', { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } });
    expect(format(error, true).message).toBe('Unknown type "Usr".');
    expect(format(error, false).message).toBe(error.message);
  });
});
