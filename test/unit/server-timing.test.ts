import { describe, expect, it } from '@jest/globals';
import { timingOf } from '../../src/http/server-timing.js';
import { Work } from '../../src/shared/work.js';

function work(done: Partial<Record<keyof Work, [times: number, ms: number]>>): Work {
  const made = new Work();
  for (const [kind, [times, ms]] of Object.entries(done)) Object.assign(made[kind as keyof Work], { times, ms });
  return made;
}

describe('the Server-Timing header', () => {
  it('says what took how long, and how often it was done', () => {
    expect(timingOf(12.345, [work({ sql: [3, 4.54], cache: [1, 0.44], model: [1, 2] })])).toBe('total;dur=12.3, sql;dur=4.5;desc="3 statements", cache;dur=0.4;desc="1 call", model;dur=2.0;desc="1 prediction"');
  });

  it('says nothing of what was not done', () => {
    expect(timingOf(0.26, [work({})])).toBe('total;dur=0.3');
    expect(timingOf(1, [])).toBe('total;dur=1.0');
  });

  it('adds up the operations of a list', () => {
    expect(timingOf(5, [work({ sql: [1, 1.5] }), work({ sql: [2, 2] })])).toBe('total;dur=5.0, sql;dur=3.5;desc="3 statements"');
  });
});
