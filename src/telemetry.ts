import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { diag, DiagLogLevel, type DiagLogger } from '@opentelemetry/api';
import { z } from 'zod';
import { ConfigError } from './config.js';
import type { Logger } from './shared/logger.js';
import { startTracing } from './shared/tracing.js';

/** Traces on their way to a collector. */
export interface Telemetry {
  /** Where it is told, now and then, that the collector is away. */
  reportTo(log: Logger): void;
  /** Sends what has not been sent, for two seconds at the most. */
  close(): Promise<void>;
}

type Environment = Record<string, string | undefined>;

const flushMs = 2_000;

/** Between two lines that tell of the same trouble. */
const warningPauseMs = 60_000;

/** Longer texts in spans, such as a statement with a thousand placeholders, are cut. */
const maxTextLength = 4_096;

/**
 * Starts OpenTelemetry's SDK where its standard variables name a collector or an exporter, before any other part is loaded;
 * otherwise none of it is loaded. Only traces: metrics are Prometheus', logs pino's.
 * @param env the process's own, which the SDK reads too; what it lacks for the SDK is put there
 * @throws ConfigError that names every faulty variable
 */
export async function startTelemetry(env: Environment): Promise<Telemetry> {
  if (!isWanted(env)) return none;
  refuseFaulty(env);
  const version = ownVersion();
  env.OTEL_RESOURCE_ATTRIBUTES = [`service.name=auspex,service.version=${version}`, given(env.OTEL_RESOURCE_ATTRIBUTES)].filter(Boolean).join(',');
  // Not the host's: in containers without a machine id its detector has nothing but a warning.
  env.OTEL_NODE_RESOURCE_DETECTORS = given(env.OTEL_NODE_RESOURCE_DETECTORS) ?? 'env,process,serviceinstance';

  const [{ NodeSDK }, { UndiciInstrumentation }] = await Promise.all([import('@opentelemetry/sdk-node'), import('@opentelemetry/instrumentation-undici')]);
  const sdk = new NodeSDK({
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [new UndiciInstrumentation({ requireParentforSpans: true, startSpanHook: withoutSearch })],
    ...(given(env.OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT) || given(env.OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT) ? {} : { spanLimits: { attributeValueLengthLimit: maxTextLength } }),
  });
  sdk.start();
  startTracing(version);

  const reports = new Reports();
  diag.setLogger(reports, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  return {
    reportTo: (log) => reports.tellTo(log),
    async close() {
      await Promise.race([sdk.shutdown().catch(() => undefined), sleep(flushMs, undefined, { ref: false })]);
    },
  };
}

const none: Telemetry = { reportTo: () => {}, close: () => Promise.resolve() };

/** As the SDK has it, an empty variable counts as absent. */
function given(value: string | undefined): string | undefined {
  const text = value?.trim();
  return text === '' ? undefined : text;
}

function isWanted(env: Environment): boolean {
  if (given(env.OTEL_SDK_DISABLED)?.toLowerCase() === 'true') return false;
  const exporters = given(env.OTEL_TRACES_EXPORTER);
  if (exporters !== undefined) return exporters !== 'none';
  return (given(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) ?? given(env.OTEL_EXPORTER_OTLP_ENDPOINT)) !== undefined;
}

const listOf = (names: readonly string[]) =>
  z.string().refine((text) => text.split(',').every((name) => names.includes(name.trim())), `must be of ${names.join(', ')}, separated by commas`);
const oneOf = (...names: [string, ...string[]]) => z.enum(names, `must be one of ${names.join(', ')}`);
const milliseconds = z.string().regex(/^[1-9]\d{0,8}$/, 'must be a whole number of milliseconds, 1 or more');
const count = z.string().regex(/^[1-9]\d{0,8}$/, 'must be a whole number, 1 or more');
const endpoint = z.string().refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be a URL that starts with http:// or https://');
const protocol = oneOf('grpc', 'http/protobuf', 'http/json');
const pairs = z.string().regex(/^[^=,]+=[^,]*(?:,[^=,]+=[^,]*)*$/, 'must be names with values, such as team=search,zone=eu');
const share = z.string().refine((text) => text !== '' && Number(text) >= 0 && Number(text) <= 1, 'must be a number from 0 to 1');

/** Standard variables whose faults the SDK would pass over, and do something else than was meant. */
const variables = z.object({
  OTEL_SDK_DISABLED: z.string().regex(/^(?:true|false)$/i, 'must be true or false').optional(),
  OTEL_RESOURCE_ATTRIBUTES: pairs.optional(),
  OTEL_TRACES_EXPORTER: listOf(['otlp', 'console', 'zipkin']).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint.optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol.optional(),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol.optional(),
  OTEL_EXPORTER_OTLP_TIMEOUT: milliseconds.optional(),
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: milliseconds.optional(),
  OTEL_TRACES_SAMPLER: oneOf('always_on', 'always_off', 'traceidratio', 'parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio').optional(),
  OTEL_TRACES_SAMPLER_ARG: share.optional(),
  OTEL_PROPAGATORS: listOf(['tracecontext', 'baggage', 'b3', 'b3multi', 'none']).optional(),
  OTEL_BSP_SCHEDULE_DELAY: milliseconds.optional(),
  OTEL_BSP_EXPORT_TIMEOUT: milliseconds.optional(),
  OTEL_BSP_MAX_QUEUE_SIZE: count.optional(),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: count.optional(),
});

function refuseFaulty(env: Environment): void {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => given(value) !== undefined));
  const { error } = variables.safeParse(present);
  if (error) throw new ConfigError(error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`));
}

/** A search may hold a key, as some services want it. */
function withoutSearch({ origin, path: pathAndSearch }: { origin: string; path: string }): { 'url.full': string; 'url.path': string; 'url.query': string } {
  const [withoutIt = ''] = pathAndSearch.split('?', 1);
  return { 'url.full': `${origin}${withoutIt}`, 'url.path': withoutIt, 'url.query': '' };
}

function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(path.join(import.meta.dirname, '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}

/** The SDK's own warnings, one a minute at the most: while a collector is away each batch of spans has one. */
class Reports implements DiagLogger {
  #log: Logger | null = null;
  #quietUntil = 0;
  #untold = 0;

  tellTo(log: Logger): void {
    this.#log = log;
  }

  readonly error = (message: string): void => this.#warn(message);
  readonly warn = (message: string): void => this.#warn(message);
  readonly info = (): void => {};
  readonly debug = (): void => {};
  readonly verbose = (): void => {};

  #warn(message: string): void {
    this.#untold += 1;
    if (!this.#log || performance.now() < this.#quietUntil) return;
    this.#quietUntil = performance.now() + warningPauseMs;
    this.#log.warn({ reason: reasonIn(message), times: this.#untold }, 'traces do not get to their collector; what does not fit into the queue is dropped');
    this.#untold = 0;
  }
}

/** The SDK hands errors over as JSON with a stack. */
function reasonIn(message: string): string {
  try {
    const told: unknown = JSON.parse(message);
    if (typeof told === 'object' && told !== null && 'message' in told) return String(told.message).slice(0, 300);
  } catch {
    // It is a sentence.
  }
  return message.slice(0, 300);
}
