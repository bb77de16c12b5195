import { setTimeout as sleep } from 'node:timers/promises';
import { diag, DiagLogLevel, type DiagLogger } from '@opentelemetry/api';
import { z } from 'zod';
import { ConfigError } from '../errors/operator-error.js';
import type { Logger } from './logger.js';
import { service } from './service.js';
import { enableTracing } from './tracing.js';

/** The trace export. */
export interface Telemetry {
  /** Sets the log for failures of the export. */
  reportTo(log: Logger): void;
  /** Flushes pending spans, for at most two seconds. */
  close(): Promise<void>;
}

type Environment = Record<string, string | undefined>;

const flushMs = 2_000;

/** Interval between warnings. */
const warningPauseMs = 60_000;

/** Longer span attributes, such as a statement with a thousand placeholders, are truncated. */
const maxTextLength = 4_096;

/**
 * Starts the OpenTelemetry SDK if its standard variables configure a collector or an exporter; otherwise the SDK is not even
 * loaded. It must run before other modules are imported. Traces only: metrics use Prometheus and logs use pino.
 * @param env the environment of the process, which the SDK reads too; defaults for the SDK are added to it
 * @throws ConfigError that lists every invalid variable
 */
export async function startTelemetry(env: Environment): Promise<Telemetry> {
  if (!isEnabled(env)) return none;
  validateVariables(env);
  env.OTEL_RESOURCE_ATTRIBUTES = [
    `service.name=${service.name},service.version=${service.version}`,
    valueOf(env.OTEL_RESOURCE_ATTRIBUTES),
  ]
    .filter(Boolean)
    .join(',');
  // Without the host detector, which only warns in containers without a machine id.
  env.OTEL_NODE_RESOURCE_DETECTORS = valueOf(env.OTEL_NODE_RESOURCE_DETECTORS) ?? 'env,process,serviceinstance';

  const [{ NodeSDK }, { UndiciInstrumentation }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/instrumentation-undici'),
  ]);
  const sdk = new NodeSDK({
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [new UndiciInstrumentation({ requireParentforSpans: true, startSpanHook: withoutSearch })],
    ...(valueOf(env.OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT) || valueOf(env.OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT)
      ? {}
      : { spanLimits: { attributeValueLengthLimit: maxTextLength } }),
  });
  sdk.start();
  enableTracing(service.version);

  const reports = new Reports();
  diag.setLogger(reports, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  return {
    reportTo: (log) => reports.setLog(log),
    async close() {
      await Promise.race([sdk.shutdown().catch(() => undefined), sleep(flushMs, undefined, { ref: false })]);
    },
  };
}

const none: Telemetry = { reportTo: () => {}, close: () => Promise.resolve() };

/** An empty variable counts as absent, as in the SDK. */
function valueOf(value: string | undefined): string | undefined {
  const text = value?.trim();
  return text === '' ? undefined : text;
}

function isEnabled(env: Environment): boolean {
  if (valueOf(env.OTEL_SDK_DISABLED)?.toLowerCase() === 'true') return false;
  const exporters = valueOf(env.OTEL_TRACES_EXPORTER);
  if (exporters !== undefined) return exporters !== 'none';
  return (valueOf(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) ?? valueOf(env.OTEL_EXPORTER_OTLP_ENDPOINT)) !== undefined;
}

const listOf = (names: readonly string[]) =>
  z
    .string()
    .refine(
      (text) => text.split(',').every((name) => names.includes(name.trim())),
      `must be one or more of ${names.join(', ')}, separated by commas`,
    );
const oneOf = (...names: [string, ...string[]]) => z.enum(names, `must be one of ${names.join(', ')}`);
const milliseconds = z.string().regex(/^[1-9]\d{0,8}$/, 'must be a whole number of milliseconds, 1 or more');
const count = z.string().regex(/^[1-9]\d{0,8}$/, 'must be a whole number, 1 or more');
const endpoint = z
  .string()
  .refine(
    (text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''),
    'must be a URL that starts with http:// or https://',
  );
const protocol = oneOf('grpc', 'http/protobuf', 'http/json');
const pairs = z
  .string()
  .regex(/^[^=,]+=[^,]*(?:,[^=,]+=[^,]*)*$/, 'must be names with values, such as team=search,zone=eu');
const ratio = z
  .string()
  .refine((text) => text !== '' && Number(text) >= 0 && Number(text) <= 1, 'must be a number from 0 to 1');

/** Standard variables whose invalid values the SDK ignores silently. */
const variables = z.object({
  OTEL_SDK_DISABLED: z
    .string()
    .regex(/^(?:true|false)$/i, 'must be true or false')
    .optional(),
  OTEL_RESOURCE_ATTRIBUTES: pairs.optional(),
  OTEL_TRACES_EXPORTER: listOf(['otlp', 'console', 'zipkin']).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint.optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol.optional(),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol.optional(),
  OTEL_EXPORTER_OTLP_TIMEOUT: milliseconds.optional(),
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: milliseconds.optional(),
  OTEL_TRACES_SAMPLER: oneOf(
    'always_on',
    'always_off',
    'traceidratio',
    'parentbased_always_on',
    'parentbased_always_off',
    'parentbased_traceidratio',
  ).optional(),
  OTEL_TRACES_SAMPLER_ARG: ratio.optional(),
  OTEL_PROPAGATORS: listOf(['tracecontext', 'baggage', 'b3', 'b3multi', 'none']).optional(),
  OTEL_BSP_SCHEDULE_DELAY: milliseconds.optional(),
  OTEL_BSP_EXPORT_TIMEOUT: milliseconds.optional(),
  OTEL_BSP_MAX_QUEUE_SIZE: count.optional(),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: count.optional(),
});

function validateVariables(env: Environment): void {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => valueOf(value) !== undefined));
  const { error } = variables.safeParse(present);
  if (error) throw new ConfigError(error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`));
}

/** Some services require an API key in the query string. */
function withoutSearch({ origin, path: pathAndSearch }: { origin: string; path: string }): {
  'url.full': string;
  'url.path': string;
  'url.query': string;
} {
  const [withoutIt = ''] = pathAndSearch.split('?', 1);
  return { 'url.full': `${origin}${withoutIt}`, 'url.path': withoutIt, 'url.query': '' };
}

/** Logs warnings of the SDK at most once a minute: while a collector is unavailable, every batch of spans causes one. */
class Reports implements DiagLogger {
  #log: Logger | null = null;
  #quietUntil = 0;
  #unreported = 0;

  setLog(log: Logger): void {
    this.#log = log;
  }

  readonly error = (message: string): void => this.#warn(message);
  readonly warn = (message: string): void => this.#warn(message);
  readonly info = (): void => {};
  readonly debug = (): void => {};
  readonly verbose = (): void => {};

  #warn(message: string): void {
    this.#unreported += 1;
    if (!this.#log || performance.now() < this.#quietUntil) return;
    this.#quietUntil = performance.now() + warningPauseMs;
    this.#log.warn(
      { reason: reasonIn(message), times: this.#unreported },
      'trace export failed; spans are being dropped',
    );
    this.#unreported = 0;
  }
}

/** The SDK reports errors as JSON with a stack, other problems as text. */
function reasonIn(message: string): string {
  try {
    const report: unknown = JSON.parse(message);
    if (typeof report === 'object' && report !== null && 'message' in report)
      return String(report.message).slice(0, 300);
  } catch {
    // Plain text.
  }
  return message.slice(0, 300);
}
