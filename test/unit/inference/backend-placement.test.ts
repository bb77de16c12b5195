import {
  maxChunkRows,
  maxHoldMs,
  maxLoadHoldMs,
  mayRunOnEventLoop,
  RunCosts,
} from '../../../src/inference/onnx/placement.js';
import { loopingModel } from '../../support/looping-model.js';
import { carPrice, iris } from '../../support/real-models.js';

function learned(...runs: [rows: number, ms: number][]): RunCosts {
  const costs = new RunCosts();
  for (const [rows, ms] of runs) costs.learn(rows, ms);
  return costs;
}

describe('running a graph on the event loop', () => {
  it('is allowed for graphs that load fast', () => {
    expect(mayRunOnEventLoop(carPrice.bytes, maxLoadHoldMs)).toBe(true);
    expect(mayRunOnEventLoop(iris.bytes, maxLoadHoldMs + 1)).toBe(false);
  });

  it('is not allowed for graphs with loops', () => {
    expect(mayRunOnEventLoop(loopingModel(), 0)).toBe(false);
  });
});

describe('the number of rows run on the event loop', () => {
  it('is 0 before the first measurement, and if one row takes too long', () => {
    expect(learned().rowsOnEventLoop()).toBe(0);
    expect(learned([1, maxHoldMs * 1.01]).rowsOnEventLoop()).toBe(0);
  });

  it('keeps the run within the time limit', () => {
    expect(learned([1, maxHoldMs]).rowsOnEventLoop()).toBe(1);
    expect(learned([1, maxHoldMs / 16]).rowsOnEventLoop()).toBe(16);
    expect(learned([1, maxHoldMs / 16], [64, maxHoldMs / 4]).rowsOnEventLoop()).toBe(256);
  });

  it('assumes that a small run costs at most as much as a measured larger one', () => {
    expect(learned([100, maxHoldMs / 2]).rowsOnEventLoop()).toBe(128);
    expect(learned([512, maxHoldMs]).rowsOnEventLoop()).toBe(maxChunkRows);
    expect(learned([512, maxHoldMs * 100]).rowsOnEventLoop()).toBe(0);
  });

  it('follows the measured cost, and ignores a single slow run', () => {
    const costs = learned([1, 100]);
    expect(costs.rowsOnEventLoop()).toBe(0);
    for (let run = 0; run < 40; run += 1) costs.learn(1, maxHoldMs / 100);
    expect(costs.rowsOnEventLoop()).toBeGreaterThanOrEqual(32);
  });
});

describe('the runs in worker threads', () => {
  it('are one if that suffices', () => {
    expect(learned().chunks(1, 4)).toEqual([1]);
    expect(learned().chunks(maxChunkRows, 4)).toEqual([maxChunkRows]);
  });

  it('are split evenly if there are too many rows for one', () => {
    expect(learned().chunks(maxChunkRows + 1, 0)).toEqual([256, 257]);
    expect(learned().chunks(1000, 1)).toEqual([500, 500]);
  });

  it('are one per idle thread if each gets enough rows', () => {
    expect(learned([512, 512]).chunks(100, 4)).toEqual([25, 25, 25, 25]);
    expect(learned([512, 512]).chunks(3, 4)).toEqual([1, 1, 1]);
    expect(learned([300, 3]).chunks(300, 4)).toEqual([100, 100, 100]);
    expect(learned([100, 1]).chunks(100, 4)).toEqual([100]);
  });

  it.each([1, 2, 511, 512, 513, 1000, 1023, 1024, 1025, 5000])('contain each of %i rows once', (rows) => {
    const chunks = learned([512, 20]).chunks(rows, 3);

    expect(chunks.reduce((sum, chunk) => sum + chunk, 0)).toBe(rows);
    expect(Math.max(...chunks)).toBeLessThanOrEqual(maxChunkRows);
    expect(Math.min(...chunks)).toBeGreaterThan(0);
  });
});
