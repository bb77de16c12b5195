import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { BadUserInput, ServiceUnavailable } from '../../src/shared/errors.js';
import { continued, isTracing, originHere, startTracing, traced, tracedApart, tracedEntry, tracedForAll, traceIds, type Origin } from '../../src/shared/tracing.js';

type Processor = NonNullable<NodeSDKConfiguration['spanProcessors']>[number];
type Span = Parameters<Processor['onEnd']>[0];

const nothing = () => ({});
const undescribed = (): never => {
  throw new Error('it was described for nobody');
};

// First: what a process has begun to trace, it traces.
describe('while nothing is traced', () => {
  it('a task is only done, and nobody is asked to describe it', async () => {
    const answer = Promise.resolve(1);
    expect([traced('a', undescribed, () => answer), tracedEntry('b', undescribed, () => answer), tracedApart('c', null, undescribed, () => answer)]).toEqual([answer, answer, answer]);
    expect(tracedForAll('d', new Set(), undescribed, () => 'done')).toBe('done');
    expect(continued({ traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` }, originHere)).toBeNull();
    expect([isTracing(), traceIds()]).toEqual([false, {}]);
    await expect(traced('e', undescribed, () => Promise.reject(new Error('its own')))).rejects.toThrow('its own');
  });
});

describe('while spans are made', () => {
  const ended: Span[] = [];
  const done = (): Promise<void> => Promise.resolve();
  const sdk = new NodeSDK({ metricReaders: [], logRecordProcessors: [], autoDetectResources: false, spanProcessors: [{ onStart: () => {}, onEnd: (span) => void ended.push(span), forceFlush: done, shutdown: done }] });
  beforeAll(() => {
    sdk.start();
    startTracing('1.2.3');
  });
  afterAll(() => sdk.shutdown());

  const spanOf = (name: string): Span => {
    const found = ended.find((span) => span.name === name);
    if (!found) throw new Error(`no span ${name} has ended`);
    return found;
  };
  const parentOf = (name: string): string | undefined => spanOf(name).parentSpanContext?.spanId;

  it('a task within a trace has a span that lasts until its promise is settled', async () => {
    const gate = Promise.withResolvers<string>();
    const answer = tracedEntry('request', nothing, () => traced('step', () => ({ keys: 3 }), () => gate.promise));
    await sleep(1);
    expect(ended.map(({ name }) => name)).not.toContain('step');
    gate.resolve('there');
    expect(await answer).toBe('there');
    expect(spanOf('step').attributes).toEqual({ keys: 3 });
    expect(parentOf('step')).toBe(spanOf('request').spanContext().spanId);
  });

  it('a task outside a trace has none', () => {
    expect(traced('background', undescribed, () => 7)).toBe(7);
    expect(ended.map(({ name }) => name)).not.toContain('background');
  });

  it.each([
    ['a caller’s mistake', new BadUserInput('hunter2 is no number'), 'BAD_USER_INPUT', 0],
    ['something that is away', new ServiceUnavailable('hunter2'), 'SERVICE_UNAVAILABLE', 2],
    ['a refusal of the database', Object.assign(new Error('duplicate hunter2'), { code: '23505' }), '23505', 2],
    ['a bug', new TypeError('hunter2 is not a function'), 'TypeError', 2],
  ])('%s is told by its code alone', async (name, error, code, status) => {
    await expect(tracedEntry(`${name}, later`, nothing, () => Promise.reject(error))).rejects.toBe(error);
    expect(() => tracedEntry(`${name}, at once`, nothing, () => { throw error; })).toThrow(error);
    for (const span of [spanOf(`${name}, later`), spanOf(`${name}, at once`)]) {
      expect([span.attributes['error.type'], span.status.code]).toEqual([code, status]);
      expect(JSON.stringify([span.attributes, span.status, span.events])).not.toContain('hunter2');
    }
  });

  it('what is done for many lies below one that is sampled, and is linked to the others, a hundred at the most', () => {
    const origins = Array.from({ length: 150 }, (_, index): NonNullable<Origin> => ({ traceId: String(index + 1).padStart(32, '0'), spanId: String(index + 1).padStart(16, '0'), traceFlags: index === 7 ? 1 : 0 }));
    tracedForAll('run', new Set(origins), nothing, () => null);
    const run = spanOf('run');
    expect([run.spanContext().traceId, parentOf('run')]).toEqual([origins[7]?.traceId, origins[7]?.spanId]);
    expect(run.links.map(({ context }) => context)).toEqual(origins.filter((_, index) => index !== 7).slice(0, 100));
  });

  it('what is done for nobody is in no trace, whoever wakes it up', () => {
    tracedEntry('waker', nothing, () => tracedForAll('warm-up', new Set(), undescribed, () => expect(originHere()).toBeNull()));
  });

  it('an event is a trace of its own, linked to where it was subscribed', () => {
    const origin = tracedEntry('subscription', nothing, originHere);
    tracedEntry('mutation', nothing, () => tracedApart('event', origin, nothing, () => null));
    expect([parentOf('event'), spanOf('event').links[0]?.context]).toEqual([undefined, origin]);
    expect(spanOf('event').spanContext().traceId).not.toBe(spanOf('mutation').spanContext().traceId);
  });

  it('a caller’s trace is gone on with, and its ids are those of the log', () => {
    const [traceId, spanId] = ['a'.repeat(32), 'b'.repeat(16)];
    const ids = continued({ traceparent: `00-${traceId}-${spanId}-01` }, () => tracedEntry('continued', nothing, traceIds));
    expect(ids).toEqual({ trace_id: traceId, span_id: spanOf('continued').spanContext().spanId });
    expect(parentOf('continued')).toBe(spanId);
  });
});
