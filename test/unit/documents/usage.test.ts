import { describe, expect, it } from '@jest/globals';
import { operationNameIn, UsageCounter } from '../../../src/documents/usage.js';

const nobody = { name: null, version: null };
const document = (hash: string, isTrusted = false, text = `query Of${hash} { a }`) => ({ hash, text, isTrusted });
const totalOf = (usage: UsageCounter): number => usage.drain().reduce((sum, { count }) => sum + count, 0);

describe('the counter of usage', () => {
  it('counts each document, client and version for itself', () => {
    const usage = new UsageCounter();
    usage.count(document('a'), { name: 'web', version: '1' }, true);
    usage.count(document('a'), { name: 'web', version: '1' }, false);
    usage.count(document('a'), { name: 'web', version: '2' }, true);
    usage.count(document('a'), nobody, false);
    usage.count(document('b', true), nobody, false);
    const told = usage.drain().map(({ hash, client, clientVersion, count, refusableCount, isTrusted, operationName }) => [hash, client, clientVersion, count, refusableCount, isTrusted, operationName]);
    expect(told).toEqual([
      ['a', 'web', '1', 2, 1, false, 'Ofa'],
      ['a', 'web', '2', 1, 1, false, 'Ofa'],
      ['a', '', '', 1, 0, false, 'Ofa'],
      ['b', '', '', 1, 0, true, 'Ofb'],
    ]);
    expect(usage.drain()).toEqual([]);
  });

  it('stays bounded: past the bound what is trusted counts without its client, and all else as one', () => {
    const usage = new UsageCounter(2);
    for (const client of ['web', 'phone', 'desktop', 'tablet']) usage.count(document('t', true), { name: client, version: '1' }, false);
    for (const hash of ['a', 'b', 'c']) usage.count(document(hash), { name: 'web', version: '1' }, true);
    usage.count(document('t', true), { name: 'web', version: '1' }, false);
    const told = usage.drain().map(({ hash, client, count, refusableCount, isTrusted, operationName }) => [hash, client, count, refusableCount, isTrusted, operationName]);
    expect(told).toEqual([
      ['t', 'web', 2, 0, true, 'Oft'],
      ['t', 'phone', 1, 0, true, 'Oft'],
      ['t', '', 2, 0, true, 'Oft'],
      ['', '', 3, 3, false, null],
    ]);
  });

  it('holds a fixed number of keys, and loses no use, whatever comes', () => {
    const usage = new UsageCounter(100);
    for (let at = 0; at < 5_000; at++) usage.count(document(`h${at % 777}`), { name: `client${at % 31}`, version: String(at % 7) }, false);
    const uses = usage.drain();
    expect(uses).toHaveLength(101);
    usage.restore(uses);
    expect(totalOf(usage)).toBe(5_000);
  });

  it('takes back what could not be written, beside what was counted since', () => {
    const usage = new UsageCounter();
    usage.count(document('a'), nobody, true);
    const [before] = usage.drain();
    usage.count(document('a'), nobody, false);
    usage.restore(before ? [before] : []);
    const [after, ...others] = usage.drain();
    expect(others).toEqual([]);
    expect(after).toMatchObject({ count: 2, refusableCount: 1, operationName: 'Ofa', firstUsedAt: before?.firstUsedAt });
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
