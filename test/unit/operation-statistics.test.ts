import { describe, expect, it } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { OperationStatistics } from '../../src/graphql/operation-statistics.js';
import { isFailure, knownCode, Refusals } from '../../src/graphql/refusals.js';
import { Histogram } from '../../src/shared/histogram.js';
import { Work } from '../../src/shared/work.js';

/** Has an operation pass through the plugin, as Apollo Server would. */
async function pass(statistics: OperationStatistics, { name, type = 'query', hash = 'trusted', codes = [] }: { name: string | null; type?: string; hash?: string; codes?: unknown[] }): Promise<void> {
  const request = {
    queryHash: hash,
    operationName: name,
    operation: { operation: type },
    contextValue: { work: new Work() },
    response: { body: { kind: 'single', singleResult: { errors: codes.map((code) => ({ message: 'x', extensions: { code } })) } } },
  } as never;
  const listener = await statistics.plugin().requestDidStart?.(request);
  await listener?.willSendResponse?.(request);
}

const statisticsOf = (maxNames?: number) => new OperationStatistics({ isTrusted: (hash) => hash === 'trusted', refusals: new Refusals(), ...(maxNames === undefined ? {} : { maxNames }) });

const counted = (statistics: OperationStatistics) =>
  Object.fromEntries(statistics.all().map(({ operation, type, outcomes }) => [`${type} ${operation}`, Object.values(outcomes).reduce((sum, count) => sum + count, 0)]));

describe('the counts of operations', () => {
  it('tell apart no more names than there is room for, and lose no operation by that', async () => {
    const statistics = statisticsOf(3);
    for (let turn = 0; turn < 10; turn += 1) await pass(statistics, { name: `Name${turn}` });
    await pass(statistics, { name: 'Name0' });
    await pass(statistics, { name: 'Name9', type: 'mutation' });
    expect(counted(statistics)).toEqual({ 'query Name0': 2, 'query Name1': 1, 'query Name2': 1, 'query other': 7, 'mutation other': 1 });
  });

  it('tell apart names of trusted documents alone, and nothing that has none', async () => {
    const statistics = statisticsOf();
    await pass(statistics, { name: 'Known' });
    await pass(statistics, { name: 'Known', hash: 'of another text' });
    await pass(statistics, { name: null });
    expect(counted(statistics)).toEqual({ 'query Known': 1, 'query other': 2 });
  });

  it('take for a failure what is the gateway’s own fault, also beside a caller’s', async () => {
    const statistics = statisticsOf();
    await pass(statistics, { name: 'A', codes: ['FORBIDDEN', 'TIMEOUT'] });
    await pass(statistics, { name: 'A', codes: ['FORBIDDEN', 'NOT_FOUND', 'FORBIDDEN'] });
    await pass(statistics, { name: 'A', codes: ['made up', undefined] });
    await pass(statistics, { name: 'A' });
    const [only] = statistics.all();
    expect(only?.outcomes).toEqual({ ok: 1, refused: 2, error: 1 });
    expect(Object.fromEntries(only?.errors ?? [])).toEqual({ FORBIDDEN: 3, TIMEOUT: 1, NOT_FOUND: 1, OTHER: 2 });
  });
});

describe('refusals', () => {
  it('count an answer once for each reason, however many errors it has', () => {
    const refusals = new Refusals();
    refusals.count(['FORBIDDEN', 'FORBIDDEN', 'UNAUTHENTICATED', 'NOT_FOUND', 'INTERNAL_SERVER_ERROR', 'made up', undefined]);
    expect(Object.entries(refusals.counts).filter(([, count]) => count > 0)).toEqual([
      ['unauthenticated', 1],
      ['forbidden', 1],
    ]);
  });

  it('know every code that the sources give', () => {
    const root = path.join(import.meta.dirname, '..', '..', 'src');
    const within = (pattern: string, form: RegExp) =>
      globSync(pattern, { cwd: root }).flatMap((file) => [...readFileSync(path.join(root, file), 'utf8').matchAll(form)].map(([, code]) => code));
    const codes = [...within('**/*.ts', /(?:super\(|code: )'([A-Z_]{6,})'/g), ...within('graphql/{format-error,http-status,query-limits}.ts', /'([A-Z]+(?:_[A-Z]+)+)'/g)];
    expect(new Set(codes).size).toBeGreaterThan(20);
    expect(codes.filter((code) => knownCode(code) !== code)).toEqual([]);
    expect([isFailure('INTERNAL_SERVER_ERROR'), isFailure('FORBIDDEN'), isFailure('made up')]).toEqual([true, false, false]);
  });
});

describe('a histogram', () => {
  it('counts a value with the first bound that it does not pass', () => {
    const histogram = new Histogram([0, 1, 10]);
    for (const value of [0, 0.5, 1, 1.01, 10, 11, 1e9]) histogram.observe(value);
    expect([histogram.counts, histogram.sum]).toEqual([[1, 2, 2, 2], 1_000_000_023.51]);
  });
});
