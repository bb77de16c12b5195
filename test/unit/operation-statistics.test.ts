import { describe, expect, it } from '@jest/globals';
import { OperationStatistics } from '../../src/graphql/server/stages/operation-statistics.js';
import { RejectionCounts } from '../../src/telemetry/rejection-counts.js';
import { Histogram } from '../../src/telemetry/histogram.js';
import { OperationCost } from '../../src/telemetry/operation-cost.js';

/** Passes an operation through the stage. */
function pass(
  statistics: OperationStatistics,
  {
    name,
    type = 'query',
    hash = 'trusted',
    codes = [],
  }: { name: string | null; type?: string; hash?: string; codes?: unknown[] },
): void {
  const request = {
    queryHash: hash,
    operationName: name,
    operation: { operation: type },
    contextValue: { cost: new OperationCost() },
    response: {
      body: { kind: 'single', singleResult: { errors: codes.map((code) => ({ message: 'x', extensions: { code } })) } },
    },
  } as never;
  void statistics.begin().complete?.(request);
}

const statisticsOf = (maxNames?: number) =>
  new OperationStatistics({
    isTrusted: (hash) => hash === 'trusted',
    rejections: new RejectionCounts(),
    ...(maxNames === undefined ? {} : { maxNames }),
  });

const counted = (statistics: OperationStatistics) =>
  Object.fromEntries(
    statistics
      .all()
      .map(({ operation, type, outcomes }) => [
        `${type} ${operation}`,
        Object.values(outcomes).reduce((sum, count) => sum + count, 0),
      ]),
  );

describe('operation statistics', () => {
  it('bound the number of names and count the rest as other', () => {
    const statistics = statisticsOf(3);
    for (let turn = 0; turn < 10; turn += 1) pass(statistics, { name: `Name${turn}` });
    pass(statistics, { name: 'Name0' });
    pass(statistics, { name: 'Name9', type: 'mutation' });
    expect(counted(statistics)).toEqual({
      'query Name0': 2,
      'query Name1': 1,
      'query Name2': 1,
      'query other': 7,
      'mutation other': 1,
    });
  });

  it('distinguish only names of trusted documents', () => {
    const statistics = statisticsOf();
    pass(statistics, { name: 'Known' });
    pass(statistics, { name: 'Known', hash: 'of another text' });
    pass(statistics, { name: null });
    expect(counted(statistics)).toEqual({ 'query Known': 1, 'query other': 2 });
  });

  it('count a server error as an error, also together with caller errors', () => {
    const statistics = statisticsOf();
    pass(statistics, { name: 'A', codes: ['FORBIDDEN', 'TIMEOUT'] });
    pass(statistics, { name: 'A', codes: ['FORBIDDEN', 'NOT_FOUND', 'FORBIDDEN'] });
    pass(statistics, { name: 'A', codes: ['UNKNOWN', undefined] });
    pass(statistics, { name: 'A' });
    const [only] = statistics.all();
    expect(only?.outcomes).toEqual({ ok: 1, rejected: 2, error: 1 });
    expect(Object.fromEntries(only?.errors ?? [])).toEqual({ FORBIDDEN: 3, TIMEOUT: 1, NOT_FOUND: 1, OTHER: 2 });
  });
});

describe('rejections', () => {
  it('count a response once per reason', () => {
    const rejections = new RejectionCounts();
    rejections.count([
      'FORBIDDEN',
      'FORBIDDEN',
      'UNAUTHENTICATED',
      'NOT_FOUND',
      'INTERNAL_SERVER_ERROR',
      'UNKNOWN_CODE',
      undefined,
    ]);
    expect(Object.entries(rejections.counts).filter(([, count]) => count > 0)).toEqual([
      ['unauthenticated', 1],
      ['forbidden', 1],
    ]);
  });

  it('start at 0 for every reason, so that no series is missing', () => {
    expect(new RejectionCounts().counts).toEqual({
      unauthenticated: 0,
      forbidden: 0,
      too_many_requests: 0,
      untrusted_document: 0,
      too_large: 0,
      bad_request: 0,
      overloaded: 0,
    });
  });
});

describe('a histogram', () => {
  it('counts a value at the first bound that is not below it', () => {
    const histogram = new Histogram([0, 1, 10]);
    for (const value of [0, 0.5, 1, 1.01, 10, 11, 1e9]) histogram.observe(value);
    expect([histogram.counts, histogram.sum]).toEqual([[1, 2, 2, 2], 1_000_000_023.51]);
  });
});
