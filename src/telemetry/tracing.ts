import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Link,
  type Span,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
import { systemErrorCode } from '../errors/system-error-code.js';
import { AppError } from '../errors/app-error.js';

export { SpanKind };
export type { Attributes, Span };

/** The span that caused some work; null outside a trace. */
export type SpanOrigin = SpanContext | null;

/** Returns a span's attributes; called only if a span is created. Must not return caller input such as variables or literals. */
export type DescribeSpan = () => Attributes;

/** Maximum number of links of a span. */
const maxLinks = 100;

/** Null while tracing is off. */
let tracer: Tracer | null = null;

/** Turns tracing on; call it after the SDK has started. */
export function enableTracing(version: string): void {
  tracer = trace.getTracer('auspex', version);
}

/** Whether tracing is on. Constant once the other modules are imported. */
export const isTracing = (): boolean => tracer !== null;

/** Runs a task in a child span of the active one, until its promise settles. Outside a trace it only runs the task. */
export function withSpan<Result>(
  name: string,
  describe: DescribeSpan,
  task: () => Result,
  kind = SpanKind.INTERNAL,
): Result {
  if (tracer === null) return task();
  const around = context.active();
  return trace.getSpan(around) === undefined
    ? task()
    : within(tracer.startSpan(name, { kind, attributes: describe() }, around), around, task);
}

/** Runs a task in a span that starts a new trace if there is none, for entry points such as a subscription. */
export function withEntrySpan<Result>(name: string, describe: DescribeSpan, task: () => Result): Result {
  if (tracer === null) return task();
  const around = context.active();
  const kind = trace.getSpan(around)?.isRecording() ? SpanKind.INTERNAL : SpanKind.SERVER;
  return within(tracer.startSpan(name, { kind, attributes: describe() }, around), around, task);
}

/** Runs a task in a new trace that is linked to its origin. */
export function withNewTrace<Result>(
  name: string,
  origin: SpanOrigin,
  describe: DescribeSpan,
  task: () => Result,
): Result {
  if (tracer === null) return task();
  const links = origin ? [{ context: origin }] : [];
  return within(
    tracer.startSpan(name, { attributes: describe(), links, root: true }, ROOT_CONTEXT),
    ROOT_CONTEXT,
    task,
  );
}

/**
 * Runs a task that several callers share, such as a batch. Its span is a child of one origin, preferably a sampled one, and is
 * linked to the others. Without origins there is no span.
 */
export function withSharedSpan<Result>(
  name: string,
  origins: ReadonlySet<SpanContext>,
  describe: DescribeSpan,
  task: () => Result,
): Result {
  if (tracer === null) return task();
  const all = [...origins];
  const parent = all.find(({ traceFlags }) => (traceFlags & 1) === 1) ?? all[0];
  // The active context is of whatever triggered the run, not of a caller.
  if (!parent) return context.with(ROOT_CONTEXT, task);
  const links: Link[] = all.flatMap((origin) => (origin === parent ? [] : [{ context: origin }])).slice(0, maxLinks);
  const around = trace.setSpanContext(ROOT_CONTEXT, parent);
  return within(tracer.startSpan(name, { attributes: describe(), links }, around), around, task);
}

/** Starts the span of a request with these headers; the caller must end it. @returns null while tracing is off */
export function startRequestSpan(
  name: string,
  headers: Readonly<Record<string, unknown>>,
  describe: DescribeSpan,
): { span: Span; around: Context } | null {
  if (tracer === null) return null;
  const from = propagation.extract(ROOT_CONTEXT, headers);
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes: describe() }, from);
  return { span, around: trace.setSpan(from, span) };
}

/** Runs a task in a saved context. */
export const runInContext = <Result>(around: Context, task: () => Result): Result => context.with(around, task);

/** Runs a task in the trace of the headers (W3C Trace Context), if they contain one. */
export const withRemoteContext = <Result>(headers: Readonly<Record<string, unknown>>, task: () => Result): Result =>
  tracer === null ? task() : context.with(propagation.extract(ROOT_CONTEXT, headers), task);

/** The active span; null if there is none. */
export const activeSpan = (): Span | null => (tracer === null ? null : (trace.getSpan(context.active()) ?? null));

/** The active span as an origin of later work. */
export const activeSpanContext = (): SpanOrigin => activeSpan()?.spanContext() ?? null;

/** Log fields that relate a line to its trace. */
export function traceLogFields(): Partial<Record<'trace_id' | 'span_id', string>> {
  const origin = activeSpanContext();
  return origin ? { trace_id: origin.traceId, span_id: origin.spanId } : {};
}

/** Records an error's code, and marks the span as failed unless the caller caused the error. Messages may hold caller input. */
function recordFailure(span: Span, error: unknown): void {
  span.setAttribute('error.type', systemErrorCode(error) ?? (error instanceof Error ? error.name : 'unknown'));
  if (!(error instanceof AppError) || error.httpStatus >= 500) markSpanFailed(span);
}

/** Marks a span as failed for a cause other than the caller. */
export const markSpanFailed = (span: Span): void => void span.setStatus({ code: SpanStatusCode.ERROR });

function within<Result>(span: Span, around: Context, task: () => Result): Result {
  let result: Result;
  try {
    result = context.with(trace.setSpan(around, span), task);
  } catch (error) {
    recordFailure(span, error);
    span.end();
    throw error;
  }
  if (result instanceof Promise)
    void result.then(
      () => span.end(),
      (error: unknown) => endFailed(span, error),
    );
  else span.end();
  return result;
}

function endFailed(span: Span, error: unknown): void {
  recordFailure(span, error);
  span.end();
}
