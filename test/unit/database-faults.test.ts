import { DriverException } from '@mikro-orm/core';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { databaseFault, isOutcomeUnknown, markOutcomeUnknown } from '../../src/database/faults.js';
import { Outages } from '../../src/database/outages.js';
import { appErrorOf } from '../../src/graphql/app-error.js';
import { commonStatus } from '../../src/graphql/http-status.js';
import { Forbidden, ServiceUnavailable, TimedOut } from '../../src/shared/errors.js';
import { createLogger } from '../../src/shared/logger.js';

const withCode = (code: string, message = 'told by the system'): Error => Object.assign(new Error(message), { code });

describe('an error of the database', () => {
  it.each([
    ['away', ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', '08006', '08P01', '57P01', '57P02', '57P03', '57P05', '58030', '25006']],
    ['busy', ['53100', '53200', '53300', '55P03', '25P03']],
    ['late', ['57014']],
    [null, ['23505', '40001', '42P01', '22P02', 'ENOENT', '57', '570140']],
  ] as const)('counts as %s by its code', (fault, codes) => {
    expect(codes.map((code) => [code, databaseFault(withCode(code))])).toEqual(codes.map((code) => [code, fault]));
  });

  it.each([
    ['away', ['Connection terminated', 'Connection terminated unexpectedly', 'Connection terminated due to connection timeout', 'Client has encountered a connection error and is not queryable', 'Query read timeout', 'timeout expired', 'Cannot use a pool after calling end on the pool']],
    ['busy', ['timeout exceeded when trying to connect']],
    [null, ['Connection', 'the timeout expired', '', 'Query read timeout of a model']],
  ] as const)('counts as %s by what the driver says', (fault, messages) => {
    expect(messages.map((message) => [message, databaseFault(new Error(message))])).toEqual(messages.map((message) => [message, fault]));
  });

  it('is known behind what wraps it', () => {
    const refused = withCode('ECONNREFUSED');
    expect(databaseFault(new Error('wrapped', { cause: new Error('again', { cause: refused }) }))).toBe('away');
    expect(databaseFault(new AggregateError([refused, withCode('ECONNREFUSED')], ''))).toBe('away');
    expect(databaseFault(new DriverException(withCode('57P01')))).toBe('away');
  });

  it('is not what fetch says of another server', () => {
    expect(databaseFault(new TypeError('fetch failed', { cause: withCode('ECONNREFUSED') }))).toBeNull();
  });

  it('is none where it is no error, or one that was caused by itself', () => {
    const circle = new Error('circle');
    circle.cause = circle;
    expect([null, undefined, 'ECONNREFUSED', 42, {}, circle].map(databaseFault)).toEqual([null, null, null, null, null, null]);
  });

  it('is told as what it is', () => {
    expect(appErrorOf(withCode('57P01'))).toBeInstanceOf(ServiceUnavailable);
    expect(appErrorOf(withCode('53300'))?.extensions).toEqual({ code: 'SERVICE_UNAVAILABLE', retryAfterSeconds: 1 });
    expect(appErrorOf(withCode('57014'))).toBeInstanceOf(TimedOut);
    expect(appErrorOf(withCode('40001'))?.code).toBe('CONFLICT');
    expect(appErrorOf(withCode('42P01'))).toBeNull();
    expect(appErrorOf(withCode('ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.7:5432'))?.message).not.toContain('10.0.0.7');
  });

  it('says that the outcome is unknown, also behind what wraps it', () => {
    const lost = new Error('Connection terminated unexpectedly');
    markOutcomeUnknown(lost);
    for (const error of [lost, new DriverException(lost), new Error('wrapped', { cause: lost })]) {
      expect(isOutcomeUnknown(error)).toBe(true);
      expect(appErrorOf(error)?.extensions).toEqual({ code: 'SERVICE_UNAVAILABLE', retryAfterSeconds: 1, outcome: 'UNKNOWN' });
    }
    expect(isOutcomeUnknown(new Error('Connection terminated unexpectedly'))).toBe(false);
    expect(() => markOutcomeUnknown('text')).not.toThrow();
  });
});

describe('the status of several errors', () => {
  it('is the one that they share', () => {
    expect(commonStatus([new TimedOut('late'), withCode('57014')])).toBe(504);
    expect(commonStatus([new TimedOut('late'), new Error('a bug')])).toBeUndefined();
  });

  it('is 503 where one of them says so, whatever stands beside it', () => {
    expect(commonStatus([new Forbidden(), withCode('ECONNREFUSED')])).toBe(503);
    expect(commonStatus([new Error('a bug'), new pg.DatabaseError('x', 1, 'error'), withCode('57P01')])).toBe(503);
  });
});

describe('an outage', () => {
  const lines: Record<string, unknown>[] = [];
  const outages = (): Outages => new Outages(createLogger('info', { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) }), 1_000);
  beforeEach(() => {
    lines.length = 0;
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('is said once however many feel it, and once when it is over', () => {
    const seen = outages();
    for (let second = 0; second < 20; second += 1) {
      for (let request = 0; request < 100; request += 1) seen.note(withCode('ECONNREFUSED'));
      jest.advanceTimersByTime(500);
    }
    expect(lines).toEqual([expect.objectContaining({ level: 50, fault: 'away', code: 'ECONNREFUSED', reason: 'told by the system', msg: 'the database cannot be reached' })]);
    jest.advanceTimersByTime(3_000);
    expect(lines.slice(1)).toEqual([expect.objectContaining({ level: 30, fault: 'away', times: 2_000, msg: 'the database is reached again' })]);
  });

  it('is another one after the first is over, and for another fault', () => {
    const seen = outages();
    seen.note(withCode('57014'));
    seen.note(withCode('53300'));
    jest.advanceTimersByTime(3_000);
    seen.note(withCode('57014'));
    expect(lines.map(({ fault, level }) => [fault, level])).toEqual([['late', 50], ['busy', 50], ['late', 30], ['busy', 30], ['late', 50]]);
  });

  it('is not what an error of a statement is', () => {
    outages().note(withCode('23505'));
    jest.advanceTimersByTime(3_000);
    expect(lines).toEqual([]);
  });
});
