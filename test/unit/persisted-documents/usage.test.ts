import { describe, expect, it } from '@jest/globals';
import { operationNameIn, UsageCounter } from '../../../src/persisted-documents/usage.js';

const unnamedClient = { name: null, version: null };
const document = (hash: string, isTrusted = false, text = `query Of${hash} { a }`) => ({ hash, text, isTrusted });
const totalOf = (usage: UsageCounter): number => usage.drain().reduce((sum, { count }) => sum + count, 0);

describe('the usage counter', () => {
  it('counts each document, client and version separately', () => {
    const usage = new UsageCounter();
    usage.count(document('a'), { name: 'web', version: '1' }, true);
    usage.count(document('a'), { name: 'web', version: '1' }, false);
    usage.count(document('a'), { name: 'web', version: '2' }, true);
    usage.count(document('a'), unnamedClient, false);
    usage.count(document('b', true), unnamedClient, false);
    const reported = usage
      .drain()
      .map(({ hash, client, clientVersion, count, refusableCount, isTrusted, operationName }) => [
        hash,
        client,
        clientVersion,
        count,
        refusableCount,
        isTrusted,
        operationName,
      ]);
    expect(reported).toEqual([
      ['a', 'web', '1', 2, 1, false, 'Ofa'],
      ['a', 'web', '2', 1, 1, false, 'Ofa'],
      ['a', '', '', 1, 0, false, 'Ofa'],
      ['b', '', '', 1, 0, true, 'Ofb'],
    ]);
    expect(usage.drain()).toEqual([]);
  });

  it('counts trusted documents without a client past its limit, and all others together', () => {
    const usage = new UsageCounter(2);
    for (const client of ['web', 'phone', 'desktop', 'tablet'])
      usage.count(document('t', true), { name: client, version: '1' }, false);
    for (const hash of ['a', 'b', 'c']) usage.count(document(hash), { name: 'web', version: '1' }, true);
    usage.count(document('t', true), { name: 'web', version: '1' }, false);
    const reported = usage
      .drain()
      .map(({ hash, client, count, refusableCount, isTrusted, operationName }) => [
        hash,
        client,
        count,
        refusableCount,
        isTrusted,
        operationName,
      ]);
    expect(reported).toEqual([
      ['t', 'web', 2, 0, true, 'Oft'],
      ['t', 'phone', 1, 0, true, 'Oft'],
      ['t', '', 2, 0, true, 'Oft'],
      ['', '', 3, 3, false, null],
    ]);
  });

  it('has a fixed number of keys and loses no use', () => {
    const usage = new UsageCounter(100);
    for (let at = 0; at < 5_000; at++)
      usage.count(document(`h${at % 777}`), { name: `client${at % 31}`, version: String(at % 7) }, false);
    const uses = usage.drain();
    expect(uses).toHaveLength(101);
    usage.restore(uses);
    expect(totalOf(usage)).toBe(5_000);
  });

  it('merges uses that could not be written with later ones', () => {
    const usage = new UsageCounter();
    usage.count(document('a'), unnamedClient, true);
    const [before] = usage.drain();
    usage.count(document('a'), unnamedClient, false);
    usage.restore(before ? [before] : []);
    const [after, ...others] = usage.drain();
    expect(others).toEqual([]);
    expect(after).toMatchObject({
      count: 2,
      refusableCount: 1,
      operationName: 'Ofa',
      firstUsedAt: before?.firstUsedAt,
    });
    expect(after?.lastUsedAt.getTime()).toBeGreaterThanOrEqual(before?.lastUsedAt.getTime() ?? Infinity);
  });
});

describe('the name of the first operation', () => {
  it.each([
    ['query A { a }', 'A'],
    ['mutation B($a: Int) { a }', 'B'],
    ['subscription\n  C { a }', 'C'],
    ['fragment F on Query { a } query D { ...F }', 'D'],
    ['{ query }', null],
    ['query ($a: Int) { a }', null],
    ['nonsense', null],
    ['', null],
  ])('of %j is %j', (text, name) => {
    expect(operationNameIn(text)).toBe(name);
  });
});
