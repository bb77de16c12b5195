import { DriverException } from '@mikro-orm/core';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { databaseErrorKind, isOutcomeUnknown, markOutcomeUnknown } from '../../src/database/database-errors.js';
import { OutageLog } from '../../src/database/outage-log.js';
import { toAppError } from '../../src/graphql/errors/to-app-error.js';
import { commonStatus } from '../../src/graphql/errors/http-status.js';
import { Forbidden, ServiceUnavailable, TimedOut } from '../../src/errors/app-error.js';
import { createLogger } from '../../src/telemetry/logger.js';

const withCode = (code: string, message = 'from the system'): Error => Object.assign(new Error(message), { code });

describe('an error of the database', () => {
  it.each([
    [
      'unavailable',
      [
        'ECONNREFUSED',
        'ECONNRESET',
        'EPIPE',
        'ETIMEDOUT',
        'ENOTFOUND',
        '08006',
        '08P01',
        '57P01',
        '57P02',
        '57P03',
        '57P05',
        '58030',
        '25006',
      ],
    ],
    ['overloaded', ['53100', '53200', '53300', '55P03', '25P03']],
    ['timed-out', ['57014']],
    [null, ['23505', '40001', '42P01', '22P02', 'ENOENT', '57', '570140']],
  ] as const)('is classified as %s by its code', (kind, codes) => {
    expect(codes.map((code) => [code, databaseErrorKind(withCode(code))])).toEqual(codes.map((code) => [code, kind]));
  });

  it.each([
    [
      'unavailable',
      [
        'Connection terminated',
        'Connection terminated unexpectedly',
        'Connection terminated due to connection timeout',
        'Client has encountered a connection error and is not queryable',
        'Query read timeout',
        'timeout expired',
        'Cannot use a pool after calling end on the pool',
      ],
    ],
    ['overloaded', ['timeout exceeded when trying to connect']],
    [null, ['Connection', 'the timeout expired', '', 'Query read timeout of a model']],
  ] as const)('is classified as %s by the message of the driver', (kind, messages) => {
    expect(messages.map((message) => [message, databaseErrorKind(new Error(message))])).toEqual(
      messages.map((message) => [message, kind]),
    );
  });

  it('is classified by the cause of a wrapper', () => {
    const rejected = withCode('ECONNREFUSED');
    expect(databaseErrorKind(new Error('wrapped', { cause: new Error('again', { cause: rejected }) }))).toBe(
      'unavailable',
    );
    expect(databaseErrorKind(new AggregateError([rejected, withCode('ECONNREFUSED')], ''))).toBe('unavailable');
    expect(databaseErrorKind(new DriverException(withCode('57P01')))).toBe('unavailable');
  });

  it('is not an error of fetch', () => {
    expect(databaseErrorKind(new TypeError('fetch failed', { cause: withCode('ECONNREFUSED') }))).toBeNull();
  });

  it('is not a value other than an error, nor an error that is its own cause', () => {
    const circle = new Error('circle');
    circle.cause = circle;
    expect([null, undefined, 'ECONNREFUSED', 42, {}, circle].map(databaseErrorKind)).toEqual([
      null,
      null,
      null,
      null,
      null,
      null,
    ]);
  });

  it('is reported by kind', () => {
    expect(toAppError(withCode('57P01'))).toBeInstanceOf(ServiceUnavailable);
    expect(toAppError(withCode('53300'))?.extensions).toEqual({ code: 'SERVICE_UNAVAILABLE', retryAfterSeconds: 1 });
    expect(toAppError(withCode('57014'))).toBeInstanceOf(TimedOut);
    expect(toAppError(withCode('40001'))?.code).toBe('CONFLICT');
    expect(toAppError(withCode('42P01'))).toBeNull();
    expect(toAppError(withCode('ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.7:5432'))?.message).not.toContain(
      '10.0.0.7',
    );
  });

  it('reports an unknown outcome, also from the cause of a wrapper', () => {
    const lost = new Error('Connection terminated unexpectedly');
    markOutcomeUnknown(lost);
    for (const error of [lost, new DriverException(lost), new Error('wrapped', { cause: lost })]) {
      expect(isOutcomeUnknown(error)).toBe(true);
      expect(toAppError(error)?.extensions).toEqual({
        code: 'SERVICE_UNAVAILABLE',
        retryAfterSeconds: 1,
        outcome: 'UNKNOWN',
      });
    }
    expect(isOutcomeUnknown(new Error('Connection terminated unexpectedly'))).toBe(false);
    expect(() => markOutcomeUnknown('text')).not.toThrow();
  });
});

describe('the status of several errors', () => {
  it('is the shared one', () => {
    expect(commonStatus([new TimedOut('late'), withCode('57014')])).toBe(504);
    expect(commonStatus([new TimedOut('late'), new Error('a bug')])).toBeUndefined();
  });

  it('is 503 if one of them is 503', () => {
    expect(commonStatus([new Forbidden(), withCode('ECONNREFUSED')])).toBe(503);
    expect(commonStatus([new Error('a bug'), new pg.DatabaseError('x', 1, 'error'), withCode('57P01')])).toBe(503);
  });
});

describe('an outage', () => {
  const lines: Record<string, unknown>[] = [];
  const outages = (): OutageLog =>
    new OutageLog(
      createLogger('info', { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) }),
      1_000,
    );
  beforeEach(() => {
    lines.length = 0;
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('is logged once for all failed requests, and once when it ends', () => {
    const seen = outages();
    for (let second = 0; second < 20; second += 1) {
      for (let request = 0; request < 100; request += 1) seen.record(withCode('ECONNREFUSED'));
      jest.advanceTimersByTime(500);
    }
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'error',
        kind: 'unavailable',
        code: 'ECONNREFUSED',
        reason: 'from the system',
        msg: 'database unavailable',
      }),
    ]);
    jest.advanceTimersByTime(3_000);
    expect(lines.slice(1)).toEqual([
      expect.objectContaining({ level: 'info', kind: 'unavailable', times: 2_000, msg: 'database available again' }),
    ]);
  });

  it('is logged again after recovery, and for another kind of error', () => {
    const seen = outages();
    seen.record(withCode('57014'));
    seen.record(withCode('53300'));
    jest.advanceTimersByTime(3_000);
    seen.record(withCode('57014'));
    expect(lines.map(({ kind, level }) => [kind, level])).toEqual([
      ['timed-out', 'error'],
      ['overloaded', 'error'],
      ['timed-out', 'info'],
      ['overloaded', 'info'],
      ['timed-out', 'error'],
    ]);
  });

  it('is not caused by an error of a statement', () => {
    outages().record(withCode('23505'));
    jest.advanceTimersByTime(3_000);
    expect(lines).toEqual([]);
  });
});
