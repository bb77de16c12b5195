import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { BadUserInput, ServiceUnavailable } from '../../src/errors/app-error.js';
import {
  withRemoteContext,
  isTracing,
  activeSpanContext,
  enableTracing,
  withSpan,
  withNewTrace,
  withEntrySpan,
  withSharedSpan,
  traceLogFields,
  type SpanOrigin,
} from '../../src/telemetry/tracing.js';

type Processor = NonNullable<NodeSDKConfiguration['spanProcessors']>[number];
type Span = Parameters<Processor['onEnd']>[0];

const nothing = () => ({});
const undescribed = (): never => {
  throw new Error('a span was described without tracing');
};

// First, because tracing cannot be turned off once started.
describe('tracing off', () => {
  it('runs tasks without creating or describing spans', async () => {
    const result = Promise.resolve(1);
    expect([
      withSpan('a', undescribed, () => result),
      withEntrySpan('b', undescribed, () => result),
      withNewTrace('c', null, undescribed, () => result),
    ]).toEqual([result, result, result]);
    expect(withSharedSpan('d', new Set(), undescribed, () => 'done')).toBe('done');
    expect(
      withRemoteContext({ traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` }, activeSpanContext),
    ).toBeNull();
    expect([isTracing(), traceLogFields()]).toEqual([false, {}]);
    await expect(withSpan('e', undescribed, () => Promise.reject(new Error('its own')))).rejects.toThrow('its own');
  });
});

describe('tracing on', () => {
  const ended: Span[] = [];
  const done = (): Promise<void> => Promise.resolve();
  const sdk = new NodeSDK({
    metricReaders: [],
    logRecordProcessors: [],
    autoDetectResources: false,
    spanProcessors: [{ onStart: () => {}, onEnd: (span) => void ended.push(span), forceFlush: done, shutdown: done }],
  });
  beforeAll(() => {
    sdk.start();
    enableTracing('1.2.3');
  });
  afterAll(() => sdk.shutdown());

  const spanOf = (name: string): Span => {
    const found = ended.find((span) => span.name === name);
    if (!found) throw new Error(`no span ${name} has ended`);
    return found;
  };
  const parentOf = (name: string): string | undefined => spanOf(name).parentSpanContext?.spanId;

  it('ends the span of a task when its promise settles', async () => {
    const gate = Promise.withResolvers<string>();
    const result = withEntrySpan('request', nothing, () =>
      withSpan(
        'step',
        () => ({ keys: 3 }),
        () => gate.promise,
      ),
    );
    await sleep(1);
    expect(ended.map(({ name }) => name)).not.toContain('step');
    gate.resolve('there');
    expect(await result).toBe('there');
    expect(spanOf('step').attributes).toEqual({ keys: 3 });
    expect(parentOf('step')).toBe(spanOf('request').spanContext().spanId);
  });

  it('creates no span outside a trace', () => {
    expect(withSpan('background', undescribed, () => 7)).toBe(7);
    expect(ended.map(({ name }) => name)).not.toContain('background');
  });

  it.each([
    ['an error of the caller', new BadUserInput('hunter2 is no number'), 'BAD_USER_INPUT', 0],
    ['an unavailable service', new ServiceUnavailable('hunter2'), 'SERVICE_UNAVAILABLE', 2],
    ['a database error', Object.assign(new Error('duplicate hunter2'), { code: '23505' }), '23505', 2],
    ['a bug', new TypeError('hunter2 is not a function'), 'TypeError', 2],
  ])('records %s by its code alone', async (name, error, code, status) => {
    await expect(withEntrySpan(`${name}, later`, nothing, () => Promise.reject(error))).rejects.toBe(error);
    expect(() =>
      withEntrySpan(`${name}, at once`, nothing, () => {
        throw error;
      }),
    ).toThrow(error);
    for (const span of [spanOf(`${name}, later`), spanOf(`${name}, at once`)]) {
      expect([span.attributes['error.type'], span.status.code]).toEqual([code, status]);
      expect(JSON.stringify([span.attributes, span.status, span.events])).not.toContain('hunter2');
    }
  });

  it('makes shared work a child of a sampled span, with at most 100 links to the others', () => {
    const origins = Array.from({ length: 150 }, (_, index): NonNullable<SpanOrigin> => ({
      traceId: String(index + 1).padStart(32, '0'),
      spanId: String(index + 1).padStart(16, '0'),
      traceFlags: index === 7 ? 1 : 0,
    }));
    withSharedSpan('run', new Set(origins), nothing, () => null);
    const run = spanOf('run');
    expect([run.spanContext().traceId, parentOf('run')]).toEqual([origins[7]?.traceId, origins[7]?.spanId]);
    expect(run.links.map(({ context }) => context)).toEqual(origins.filter((_, index) => index !== 7).slice(0, 100));
  });

  it('keeps work without origins out of the active trace', () => {
    withEntrySpan('waker', nothing, () =>
      withSharedSpan('warm-up', new Set(), undescribed, () => expect(activeSpanContext()).toBeNull()),
    );
  });

  it('starts a new trace for an event, linked to its subscription', () => {
    const origin = withEntrySpan('subscription', nothing, activeSpanContext);
    withEntrySpan('mutation', nothing, () => withNewTrace('event', origin, nothing, () => null));
    expect([parentOf('event'), spanOf('event').links[0]?.context]).toEqual([undefined, origin]);
    expect(spanOf('event').spanContext().traceId).not.toBe(spanOf('mutation').spanContext().traceId);
  });

  it('continues the trace of the headers, and logs its ids', () => {
    const [traceId, spanId] = ['a'.repeat(32), 'b'.repeat(16)];
    const ids = withRemoteContext({ traceparent: `00-${traceId}-${spanId}-01` }, () =>
      withEntrySpan('continued', nothing, traceLogFields),
    );
    expect(ids).toEqual({ trace_id: traceId, span_id: spanOf('continued').spanContext().spanId });
    expect(parentOf('continued')).toBe(spanId);
  });
});
