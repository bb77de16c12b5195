import { describe, expect, it } from '@jest/globals';
import { timingOf } from '../../src/http/server-timing.js';
import { OperationCost } from '../../src/telemetry/operation-cost.js';

function cost(counts: Partial<Record<keyof OperationCost, [times: number, ms: number]>>): OperationCost {
  const made = new OperationCost();
  for (const [kind, [times, ms]] of Object.entries(counts))
    Object.assign(made[kind as keyof OperationCost], { times, ms });
  return made;
}

describe('the Server-Timing header', () => {
  it('lists durations and counts by kind', () => {
    expect(timingOf(12.345, [cost({ sql: [3, 4.54], cache: [1, 0.44], model: [1, 2] })])).toBe(
      'total;dur=12.3, sql;dur=4.5;desc="3 statements", cache;dur=0.4;desc="1 call", model;dur=2.0;desc="1 prediction"',
    );
  });

  it('omits kinds that did not occur', () => {
    expect(timingOf(0.26, [cost({})])).toBe('total;dur=0.3');
    expect(timingOf(1, [])).toBe('total;dur=1.0');
  });

  it('sums the operations of a batch', () => {
    expect(timingOf(5, [cost({ sql: [1, 1.5] }), cost({ sql: [2, 2] })])).toBe(
      'total;dur=5.0, sql;dur=3.5;desc="3 statements"',
    );
  });
});
