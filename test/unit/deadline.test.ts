import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Deadline, DeadlineExceeded } from '../../src/redis/deadline.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** Whether the call ended, and how. */
function followed(call: Promise<unknown>) {
  const state: { end: unknown } = { end: null };
  call.then(
    (value) => (state.end = value),
    (error: unknown) => (state.end = error),
  );
  return state;
}

it('fails each call at its own time, with one timer for all', async () => {
  const deadline = new Deadline(100);
  const calls: { end: unknown }[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    calls.push(followed(deadline.within(new Promise(() => undefined))));
    await jest.advanceTimersByTimeAsync(30);
  }
  expect(jest.getTimerCount()).toBe(1);
  // The calls started 150, 120, 90, 60 and 30 ms ago.
  const failed = () => calls.filter(({ end }) => end instanceof DeadlineExceeded).length;
  expect(failed()).toBe(2);
  await jest.advanceTimersByTimeAsync(15);
  expect(failed()).toBe(3);
  await jest.advanceTimersByTimeAsync(60);
  expect(failed()).toBe(5);
  expect(jest.getTimerCount()).toBe(0);
});

it('passes results and errors on, and then expects nothing of the call', async () => {
  const deadline = new Deadline(100);
  expect(await deadline.within(Promise.resolve(7))).toBe(7);
  await expect(deadline.within(Promise.reject(new Error('READONLY')))).rejects.toThrow('READONLY');
  await jest.advanceTimersByTimeAsync(1000);
  const later = followed(deadline.within(new Promise((resolve) => setTimeout(resolve, 99, 'in time'))));
  await jest.advanceTimersByTimeAsync(300);
  expect(later.end).toBe('in time');
});

it('reads replies that arrived during a long turn of the event loop first', async () => {
  jest.useRealTimers();
  const echo =
    "const { parentPort } = require('node:worker_threads'); parentPort.on('message', (text) => parentPort.postMessage(text));";
  const worker = new Worker(echo, { eval: true });
  await once(worker, 'online');
  // Timers come next after this phase of the event loop.
  await nextTurn();
  const call = new Deadline(50).within(once(worker, 'message'));
  worker.postMessage('reply');
  const end = performance.now() + 300;
  while (performance.now() < end);
  expect(await call).toEqual(['reply']);
  await worker.terminate();
});
