import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Attributes, type Context, type Link, type Span, type SpanContext, type Tracer } from '@opentelemetry/api';
import { codeOf } from './error-code.js';
import { AppError } from './errors.js';

export { SpanKind };
export type { Attributes, Span };

/** The place in a trace from which something was asked for; null where it is in none. */
export type Origin = SpanContext | null;

/** How a span is described; asked only where there is one. Never values that callers sent: no variables, literals or parameters. */
export type Describe = () => Attributes;

/** Spans that one span is linked to at the most. */
const maxLinks = 100;

/** Null while nothing is traced: then a task is only done. */
let tracer: Tracer | null = null;

/** From now on spans are made; once the SDK that takes them is there. */
export function startTracing(version: string): void {
  tracer = trace.getTracer('auspex', version);
}

/** Whether spans are made. Settled before any other part of the gateway is loaded. */
export const isTracing = (): boolean => tracer !== null;

/** Does a task within a span of its own, below the one that it is called in; outside a trace without one. A promise ends it when it is settled. */
export function traced<Result>(name: string, describe: Describe, task: () => Result, kind = SpanKind.INTERNAL): Result {
  if (tracer === null) return task();
  const around = context.active();
  return trace.getSpan(around) === undefined ? task() : within(tracer.startSpan(name, { kind, attributes: describe() }, around), around, task);
}

/** Does a task within a span, which begins a trace of its own where it is in none: what comes to the gateway, such as a subscription. */
export function tracedEntry<Result>(name: string, describe: Describe, task: () => Result): Result {
  if (tracer === null) return task();
  const around = context.active();
  const kind = trace.getSpan(around)?.isRecording() ? SpanKind.INTERNAL : SpanKind.SERVER;
  return within(tracer.startSpan(name, { kind, attributes: describe() }, around), around, task);
}

/** Does a task as a trace of its own, which is linked to where it was asked for. */
export function tracedApart<Result>(name: string, origin: Origin, describe: Describe, task: () => Result): Result {
  if (tracer === null) return task();
  const links = origin ? [{ context: origin }] : [];
  return within(tracer.startSpan(name, { attributes: describe(), links, root: true }, ROOT_CONTEXT), ROOT_CONTEXT, task);
}

/**
 * Does a task that several have asked for, once for them all: a span below one of them, one that is sampled where there is such,
 * and linked to the others. Where no trace has asked for it there is no span.
 */
export function tracedForAll<Result>(name: string, origins: ReadonlySet<SpanContext>, describe: Describe, task: () => Result): Result {
  if (tracer === null) return task();
  const all = [...origins];
  const parent = all.find(({ traceFlags }) => (traceFlags & 1) === 1) ?? all[0];
  // Whoever happened to wake this up is not who asked for it.
  if (!parent) return context.with(ROOT_CONTEXT, task);
  const links: Link[] = all.flatMap((origin) => (origin === parent ? [] : [{ context: origin }])).slice(0, maxLinks);
  const around = trace.setSpanContext(ROOT_CONTEXT, parent);
  return within(tracer.startSpan(name, { attributes: describe(), links }, around), around, task);
}

/** Begins the span of a request that came with these headers; whoever begins it ends it. Null while nothing is traced. */
export function beginRequest(name: string, headers: Readonly<Record<string, unknown>>, describe: Describe): { span: Span; around: Context } | null {
  if (tracer === null) return null;
  const from = propagation.extract(ROOT_CONTEXT, headers);
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes: describe() }, from);
  return { span, around: trace.setSpan(from, span) };
}

/** Does a task in the place that was noted before. */
export const resume = <Result>(around: Context, task: () => Result): Result => context.with(around, task);

/** Does a task in the trace that headers name (W3C Trace Context), if they name one. */
export const continued = <Result>(headers: Readonly<Record<string, unknown>>, task: () => Result): Result =>
  tracer === null ? task() : context.with(propagation.extract(ROOT_CONTEXT, headers), task);

/** The span that is open here; null where there is none. */
export const spanHere = (): Span | null => (tracer === null ? null : (trace.getSpan(context.active()) ?? null));

/** Where this is in a trace. */
export const originHere = (): Origin => spanHere()?.spanContext() ?? null;

/** What a log line is to be found by from a trace, and the other way round. */
export function traceIds(): Partial<Record<'trace_id' | 'span_id', string>> {
  const origin = originHere();
  return origin ? { trace_id: origin.traceId, span_id: origin.spanId } : {};
}

/** Notes what kept a task from being done: its code, and that it failed unless it was the caller's doing. What else an error says may hold what callers sent. */
export function noteFailure(span: Span, error: unknown): void {
  span.setAttribute('error.type', codeOf(error) ?? (error instanceof Error ? error.name : 'unknown'));
  if (!(error instanceof AppError) || error.httpStatus >= 500) noteFault(span);
}

/** Notes that something went wrong here, and not with the caller. */
export const noteFault = (span: Span): void => void span.setStatus({ code: SpanStatusCode.ERROR });

function within<Result>(span: Span, around: Context, task: () => Result): Result {
  let result: Result;
  try {
    result = context.with(trace.setSpan(around, span), task);
  } catch (error) {
    noteFailure(span, error);
    span.end();
    throw error;
  }
  if (result instanceof Promise) void result.then(() => span.end(), (error: unknown) => endFailed(span, error));
  else span.end();
  return result;
}

function endFailed(span: Span, error: unknown): void {
  noteFailure(span, error);
  span.end();
}
