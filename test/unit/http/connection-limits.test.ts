import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { AddressSlots, openFilesLimit, withDescriptorReserve } from '../../../src/http/connection-limits.js';
import { createLogger } from '../../../src/telemetry/logger.js';

describe('AddressSlots', () => {
  it('bounds what one network has open, counts IPv6 by its /64, and frees a slot once', () => {
    const slots = new AddressSlots(2);
    const [one, other] = [slots.take('2001:db8:0:1::1'), slots.take('2001:db8:0:1:ffff::2')];
    expect([one, other, slots.take('2001:db8:0:1::3')]).toEqual([expect.any(Function), expect.any(Function), null]);
    expect(slots.take('2001:db8:0:2::1')).not.toBeNull();
    one?.();
    one?.();
    expect(slots.take('2001:db8:0:1::4')).not.toBeNull();
    expect(slots.take('2001:db8:0:1::5')).toBeNull();
  });

  it('bounds all networks together', () => {
    const slots = new AddressSlots(2, 3);
    const taken = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].map((address) => slots.take(address));
    expect(taken.map((release) => release !== null)).toEqual([true, true, true, false]);
    taken[0]?.();
    expect(slots.take('10.0.0.4')).not.toBeNull();
  });

  it('is unlimited with 0', () => {
    const slots = new AddressSlots(0);
    for (let turn = 0; turn < 100; turn += 1) expect(slots.take('10.0.0.1')).not.toBeNull();
  });
});

describe('withDescriptorReserve', () => {
  function reserved(total: number, openFiles: number | null) {
    const lines: Record<string, unknown>[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
        done();
      },
    });
    const limits = withDescriptorReserve({ total, perAddress: 7 }, openFiles, createLogger('info', sink));
    return { limits, lines };
  }

  it.each([
    [15_000, null, 15_000],
    [15_000, 1_048_576, 15_000],
    [15_000, 15_512, 15_000],
  ])('keeps MAX_CONNECTIONS %d with a limit of open files of %s', (total, openFiles, expected) => {
    expect(reserved(total, openFiles)).toEqual({ limits: { total: expected, perAddress: 7 }, lines: [] });
  });

  it.each([
    [15_000, 15_511, 14_999],
    [15_000, 1024, 512],
    [15_000, 256, 128],
  ])('lowers MAX_CONNECTIONS %d with a limit of open files of %d to %d, in one line', (total, openFiles, expected) => {
    const { limits, lines } = reserved(total, openFiles);
    expect(limits).toEqual({ total: expected, perAddress: 7 });
    expect(lines).toEqual([
      expect.objectContaining({ level: 'warn', openFiles, connections: expected, maxConnections: total }),
    ]);
  });

  it('reads the limit of this process', () => {
    const limit = openFilesLimit();
    if (process.platform === 'linux') expect(limit === null || limit > 0).toBe(true);
    else expect([null, expect.any(Number)]).toContainEqual(limit);
  });
});
