import { z } from 'zod';
import { withSecretFiles } from './secret-files.js';

/** All that Auspex can be told from outside, checked and typed. Only `main.ts` and scripts make one, from the environment. */
export interface Config {
  isProduction: boolean;
  host: string;
  port: number;
  /** Where `/metrics` is, alone; absent: at `port`, and in production nowhere. */
  metricsPort: number | undefined;
  /** Proxies in front that each add the caller's address to `X-Forwarded-For`; 0: nobody's word is taken for an address. */
  trustedProxies: number;
  corsOrigins: string[];
  /** Answers of a kilobyte and more are sent compressed to those who take them so. */
  isCompressing: boolean;
  /** Whoever came to the proxy over plain HTTP is sent to HTTPS; needs a proxy that is trusted. */
  redirectsToHttps: boolean;
  rateLimit: RateLimits;
  /** Where the embedded database and generated secrets lie; absent: chosen beside the project. */
  dataDir: string | undefined;
  /** Absent: an embedded PostgreSQL under the data directory. */
  databaseUrl: string | undefined;
  databasePoolSize: number;
  databaseTimeouts: DatabaseTimeouts;
  /** Servers that follow the database and answer reads. */
  databaseReplicaUrls: string[];
  /** For so long after a change its author reads from the database itself. */
  readOwnWritesSeconds: number;
  /** How long a start waits for a database that is not there yet. */
  databaseStartSeconds: number;
  /** Load the demo accounts and demo employees into an empty database. */
  hasDemoData: boolean;
  redisUrl: string | undefined;
  cacheDeadlineMs: number;
  predictionCache: { ttlSeconds: number; maxEntries: number };
  predictionHistoryDays: number;
  modelStoreDir: string;
  /** Milliseconds between two looks for changed models; 0: none. */
  modelStorePollMs: number;
  /** Worker threads that run models; absent: by the number of cores. */
  inferenceThreads: number | undefined;
  /** Absent outside production: made once and kept in the data directory. */
  jwtSecret: string | undefined;
  accessTokenTtlSeconds: number;
  refreshTokenTtlDays: number;
  isRegistrationOpen: boolean;
  throttle: ThrottleLimits;
  limits: QueryLimits;
  maxBodyBytes: number;
  /** Operations that one request may bring as a list; 0: a list is refused. */
  maxBatchedOperations: number;
  documents: DocumentSettings;
  /** Answers of queries are kept for as long as their `@cacheControl` hints say. */
  responseCache: { isOn: boolean; maxEntries: number };
  /** Rows of queries that everyone asks alike are kept, until what they tell of changes. */
  queryCache: { isOn: boolean; ttlSeconds: number; maxEntries: number };
  exchangeRates: ExchangeRateSettings;
  streams: StreamLimits;
  isIntrospectionOpen: boolean;
  hasLandingPage: boolean;
  /** Whether GraphiQL is at `/graphiql`. */
  hasGraphiql: boolean;
  executor: 'jit' | 'graphql-js';
  logLevel: string;
  /** Answers say in `Server-Timing` what took how long. */
  hasServerTiming: boolean;
  /** How long a shutdown goes on taking requests, unready, so that balancers hear of it. */
  shutdownDelaySeconds: number;
  /** The whole of a shutdown, with its delay; then the process ends, whatever is under way. */
  shutdownSeconds: number;
}

/** How long the database is waited for, in milliseconds. */
export interface DatabaseTimeouts {
  /** For a connection: a free one of the pool, or a new one. */
  connectionMs: number;
  /** For a statement. */
  statementMs: number;
}

/** Requests that a caller may send within the window; 0: any number. */
export interface RateLimits {
  windowSeconds: number;
  /** Of a user, or of an API key. */
  perViewer: number;
  /** Of an address from which nobody has signed in. */
  perAddress: number;
}

/** Where exchange rates come from. */
export interface ExchangeRateSettings {
  /** A service that answers JSON of the shape of the European Central Bank's daily rates; absent: there is no source. */
  url: string | undefined;
  timeoutMs: number;
  /** For how long rates count as fresh. */
  ttlSeconds: number;
  /** For how long rates may be used after that while the service does not answer. */
  maxStaleSeconds: number;
}

/** How often credentials may be tried within `windowSeconds`. */
export interface ThrottleLimits {
  windowSeconds: number;
  loginsPerAccount: number;
  loginsPerAddress: number;
  refreshesPerAccount: number;
  refreshesPerAddress: number;
  registrationsPerAddress: number;
}

/** Which documents may be executed. */
export interface DocumentSettings {
  /** Of documents that are not trusted: `off` executes them, `report` does and counts them, `enforce` refuses them. */
  trusted: 'off' | 'report' | 'enforce';
  /** Whether an ADMIN may send any document also in `enforce`, as the IDE does. */
  isAdminExempt: boolean;
  /** Automatic persisted queries: whether clients may have texts remembered under their hash. */
  hasAutomatic: boolean;
  /** The folder of trusted documents, by client and version. */
  dir: string;
}

/** What subscriptions may take up. */
export interface StreamLimits {
  /** In this process. */
  total: number;
  perViewer: number;
  /** Events that wait for a slow reader; with one more the reader is dropped. */
  bufferedEvents: number;
}

/** What one operation may ask for. */
export interface QueryLimits {
  depth: number;
  aliases: number;
  tokens: number;
  rootFields: number;
  cost: number;
}

/** The environment is wrong; `problems` names each variable, what is wrong with it and what would be right. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(['The configuration is not usable:', ...problems.map((problem) => `  - ${problem}`)].join('\n'));
    this.name = 'ConfigError';
  }
}

const boolean = z
  .enum(['true', 'false', '1', '0', 'yes', 'no'], 'must be true or false')
  .transform((text) => text === 'true' || text === '1' || text === 'yes');

const whole = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d{1,12}$/, `must be a whole number from ${minimum} to ${maximum}`)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, `must be a whole number from ${minimum} to ${maximum}`);

const isUrl = (text: string, protocols: readonly string[]): boolean => {
  const parsed = URL.parse(text);
  return parsed !== null && protocols.includes(parsed.protocol) && parsed.hostname !== '';
};

const starts = (protocols: readonly string[]): string => protocols.map((protocol) => `${protocol}//`).join(' or ');

/** As browsers send it: a scheme, a host, and a port that is not the scheme's own. */
const isOrigin = (text: string): boolean => /^https?:[^*]+$/.test(text) && URL.parse(text)?.origin === text;

const url = (...protocols: string[]) => z.string().refine((text) => isUrl(text, protocols), `must be a URL that starts with ${starts(protocols)}`);

const list = z.string().transform((text) => text.split(',').map((part) => part.trim()).filter((part) => part !== ''));

const urls = (maximum: number, ...protocols: string[]) =>
  list.refine(
    (texts) => texts.length <= maximum && texts.every((text) => isUrl(text, protocols)),
    `must be ${maximum} URLs at the most, separated by commas, that each start with ${starts(protocols)}`,
  );

const environment = z.object({
  NODE_ENV: z.enum(['development', 'production', 'test'], 'must be development, production or test').default('development'),
  HOST: z.string().optional(),
  PORT: whole(0, 65_535).default(4000),
  METRICS_PORT: whole(0, 65_535).optional(),
  TRUST_PROXY: z.union([boolean.transform(Number), whole(0, 10)], 'must be true, false, or how many proxies there are, from 0 to 10').default(0),
  CORS_ORIGINS: list.refine((origins) => origins.every(isOrigin), 'must be origins such as https://app.example.com, separated by commas, without a path').optional(),
  COMPRESSION: boolean.default(true),
  HTTPS_REDIRECT: boolean.default(false),
  RATE_LIMIT_WINDOW_SECONDS: whole(1, 86_400).default(60),
  RATE_LIMIT_PER_VIEWER: whole(0, 100_000_000).default(6000),
  RATE_LIMIT_PER_ADDRESS: whole(0, 100_000_000).default(1200),
  DATA_DIR: z.string().optional(),
  DATABASE_URL: url('postgres:', 'postgresql:').optional(),
  DATABASE_POOL_SIZE: whole(1, 500).default(10),
  DATABASE_CONNECTION_TIMEOUT_MS: whole(100, 600_000).default(5000),
  DATABASE_STATEMENT_TIMEOUT_MS: whole(100, 3_600_000).default(10_000),
  DATABASE_REPLICA_URLS: urls(20, 'postgres:', 'postgresql:').default([]),
  READ_OWN_WRITES_SECONDS: whole(0, 3600).default(5),
  DATABASE_START_SECONDS: whole(0, 3600).optional(),
  ALLOW_EMBEDDED_DATABASE: boolean.default(false),
  DEMO_DATA: boolean.optional(),
  REDIS_URL: url('redis:', 'rediss:').optional(),
  CACHE_DEADLINE_MS: whole(1, 10_000).default(100),
  PREDICTION_CACHE_TTL_SECONDS: whole(1, 31_536_000).default(3600),
  PREDICTION_CACHE_MAX_ENTRIES: whole(1, 10_000_000).default(50_000),
  PREDICTION_HISTORY_DAYS: whole(1, 36_500).default(90),
  MODEL_STORE: z.string().default('model-store'),
  MODEL_STORE_POLL_MS: whole(0, 3_600_000).default(1000),
  INFERENCE_THREADS: whole(1, 64).optional(),
  JWT_SECRET: z.string().optional(),
  ACCESS_TOKEN_TTL_SECONDS: whole(10, 86_400).default(900),
  REFRESH_TOKEN_TTL_DAYS: whole(1, 365).default(30),
  REGISTRATION: z.enum(['open', 'closed'], 'must be open or closed').optional(),
  THROTTLE_WINDOW_SECONDS: whole(1, 86_400).default(900),
  MAX_LOGINS_PER_ACCOUNT: whole(1, 1_000_000).default(10),
  MAX_LOGINS_PER_ADDRESS: whole(1, 1_000_000).default(100),
  MAX_REFRESHES_PER_ACCOUNT: whole(1, 1_000_000).default(60),
  MAX_REFRESHES_PER_ADDRESS: whole(1, 1_000_000).default(600),
  MAX_REGISTRATIONS_PER_ADDRESS: whole(1, 1_000_000).default(20),
  MAX_QUERY_DEPTH: whole(1, 1000).default(12),
  MAX_QUERY_ALIASES: whole(0, 10_000).default(20),
  MAX_QUERY_TOKENS: whole(10, 1_000_000).default(2000),
  MAX_ROOT_FIELDS: whole(1, 1000).default(20),
  MAX_QUERY_COST: whole(1, 100_000_000).default(5000),
  MAX_BODY_BYTES: whole(1024, 104_857_600).default(1_048_576),
  MAX_BATCHED_OPERATIONS: whole(0, 100).default(0),
  TRUSTED_DOCUMENTS: z.enum(['off', 'report', 'enforce'], 'must be off, report or enforce').default('off'),
  TRUSTED_DOCUMENTS_EXEMPT_ADMIN: boolean.default(true),
  TRUSTED_DOCUMENTS_DIR: z.string().default('schema/documents'),
  AUTOMATIC_PERSISTED_QUERIES: boolean.default(true),
  RESPONSE_CACHE: boolean.default(true),
  RESPONSE_CACHE_MAX_ENTRIES: whole(1, 10_000_000).default(10_000),
  QUERY_CACHE: boolean.default(true),
  QUERY_CACHE_TTL_SECONDS: whole(1, 86_400).default(60),
  QUERY_CACHE_MAX_ENTRIES: whole(1, 10_000_000).default(10_000),
  EXCHANGE_RATES_URL: url('http:', 'https:').optional(),
  EXCHANGE_RATES_TIMEOUT_MS: whole(10, 60_000).default(2000),
  EXCHANGE_RATES_TTL_SECONDS: whole(1, 604_800).default(3600),
  EXCHANGE_RATES_MAX_STALE_SECONDS: whole(0, 31_536_000).default(345_600),
  MAX_STREAMS: whole(0, 1_000_000).default(10_000),
  MAX_STREAMS_PER_VIEWER: whole(0, 1_000_000).default(100),
  MAX_STREAM_BUFFER: whole(1, 1_000_000).default(2000),
  INTROSPECTION: boolean.optional(),
  LANDING_PAGE: boolean.optional(),
  GRAPHIQL: boolean.optional(),
  EXECUTOR: z.enum(['jit', 'graphql-js'], 'must be jit or graphql-js').default('graphql-js'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'must be fatal, error, warn, info, debug, trace or silent')
    .optional(),
  SERVER_TIMING: boolean.optional(),
  SHUTDOWN_DELAY_SECONDS: whole(0, 600).optional(),
  SHUTDOWN_SECONDS: whole(1, 600).default(20),
});

/** The variables that Auspex reads, for `.env.example` to be held against. */
export const variableNames: readonly string[] = Object.keys(environment.shape);

/**
 * Reads the whole configuration from environment variables, and secrets from the files that they name; an empty variable
 * counts as absent.
 * @throws ConfigError that names every faulty variable at once.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const secrets = withSecretFiles(env);
  const present = Object.fromEntries(Object.entries(secrets.env).filter(([, value]) => value !== undefined && value.trim() !== ''));
  const parsed = environment.safeParse(present);
  const problems = parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
  problems.push(...secrets.problems);
  if (present.JWT_SECRET) problems.push(...secretProblems(present.JWT_SECRET));
  if (parsed.success) problems.push(...portProblems(parsed.data), ...proxyProblems(parsed.data), ...shutdownProblems(parsed.data));
  if (present.NODE_ENV === 'production') problems.push(...productionProblems(present));
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);

  const read = parsed.data;
  const isProduction = read.NODE_ENV === 'production';
  return {
    isProduction,
    host: read.HOST ?? (isProduction ? '0.0.0.0' : 'localhost'),
    port: read.PORT,
    metricsPort: read.METRICS_PORT,
    trustedProxies: read.TRUST_PROXY,
    corsOrigins: read.CORS_ORIGINS ?? (isProduction ? [] : ['https://studio.apollographql.com']),
    isCompressing: read.COMPRESSION,
    redirectsToHttps: read.HTTPS_REDIRECT,
    rateLimit: { windowSeconds: read.RATE_LIMIT_WINDOW_SECONDS, perViewer: read.RATE_LIMIT_PER_VIEWER, perAddress: read.RATE_LIMIT_PER_ADDRESS },
    dataDir: read.DATA_DIR,
    databaseUrl: read.DATABASE_URL,
    databasePoolSize: read.DATABASE_POOL_SIZE,
    databaseTimeouts: { connectionMs: read.DATABASE_CONNECTION_TIMEOUT_MS, statementMs: read.DATABASE_STATEMENT_TIMEOUT_MS },
    databaseReplicaUrls: read.DATABASE_REPLICA_URLS,
    readOwnWritesSeconds: read.READ_OWN_WRITES_SECONDS,
    databaseStartSeconds: read.DATABASE_START_SECONDS ?? (isProduction ? 60 : 5),
    hasDemoData: read.DEMO_DATA ?? (!isProduction && read.DATABASE_URL === undefined),
    redisUrl: read.REDIS_URL,
    cacheDeadlineMs: read.CACHE_DEADLINE_MS,
    predictionCache: { ttlSeconds: read.PREDICTION_CACHE_TTL_SECONDS, maxEntries: read.PREDICTION_CACHE_MAX_ENTRIES },
    predictionHistoryDays: read.PREDICTION_HISTORY_DAYS,
    modelStoreDir: read.MODEL_STORE,
    modelStorePollMs: read.MODEL_STORE_POLL_MS,
    inferenceThreads: read.INFERENCE_THREADS,
    jwtSecret: read.JWT_SECRET,
    accessTokenTtlSeconds: read.ACCESS_TOKEN_TTL_SECONDS,
    refreshTokenTtlDays: read.REFRESH_TOKEN_TTL_DAYS,
    isRegistrationOpen: read.REGISTRATION === undefined ? !isProduction : read.REGISTRATION === 'open',
    throttle: {
      windowSeconds: read.THROTTLE_WINDOW_SECONDS,
      loginsPerAccount: read.MAX_LOGINS_PER_ACCOUNT,
      loginsPerAddress: read.MAX_LOGINS_PER_ADDRESS,
      refreshesPerAccount: read.MAX_REFRESHES_PER_ACCOUNT,
      refreshesPerAddress: read.MAX_REFRESHES_PER_ADDRESS,
      registrationsPerAddress: read.MAX_REGISTRATIONS_PER_ADDRESS,
    },
    limits: {
      depth: read.MAX_QUERY_DEPTH,
      aliases: read.MAX_QUERY_ALIASES,
      tokens: read.MAX_QUERY_TOKENS,
      rootFields: read.MAX_ROOT_FIELDS,
      cost: read.MAX_QUERY_COST,
    },
    maxBodyBytes: read.MAX_BODY_BYTES,
    maxBatchedOperations: read.MAX_BATCHED_OPERATIONS,
    documents: {
      trusted: read.TRUSTED_DOCUMENTS,
      isAdminExempt: read.TRUSTED_DOCUMENTS_EXEMPT_ADMIN,
      hasAutomatic: read.AUTOMATIC_PERSISTED_QUERIES,
      dir: read.TRUSTED_DOCUMENTS_DIR,
    },
    responseCache: { isOn: read.RESPONSE_CACHE, maxEntries: read.RESPONSE_CACHE_MAX_ENTRIES },
    queryCache: { isOn: read.QUERY_CACHE, ttlSeconds: read.QUERY_CACHE_TTL_SECONDS, maxEntries: read.QUERY_CACHE_MAX_ENTRIES },
    exchangeRates: {
      url: read.EXCHANGE_RATES_URL,
      timeoutMs: read.EXCHANGE_RATES_TIMEOUT_MS,
      ttlSeconds: read.EXCHANGE_RATES_TTL_SECONDS,
      maxStaleSeconds: read.EXCHANGE_RATES_MAX_STALE_SECONDS,
    },
    streams: { total: read.MAX_STREAMS, perViewer: read.MAX_STREAMS_PER_VIEWER, bufferedEvents: read.MAX_STREAM_BUFFER },
    isIntrospectionOpen: read.INTROSPECTION ?? !isProduction,
    hasLandingPage: read.LANDING_PAGE ?? !isProduction,
    hasGraphiql: read.GRAPHIQL ?? !isProduction,
    executor: read.EXECUTOR,
    logLevel: read.LOG_LEVEL ?? (isProduction ? 'info' : 'warn'),
    hasServerTiming: read.SERVER_TIMING ?? !isProduction,
    shutdownDelaySeconds: read.SHUTDOWN_DELAY_SECONDS ?? (isProduction ? Math.min(5, Math.floor(read.SHUTDOWN_SECONDS / 4)) : 0),
    shutdownSeconds: read.SHUTDOWN_SECONDS,
  };
}

/** 0 is any free port: two of them differ. */
function portProblems({ PORT, METRICS_PORT }: { PORT: number; METRICS_PORT?: number | undefined }): string[] {
  return METRICS_PORT === PORT && PORT !== 0 ? [`METRICS_PORT must not be PORT, ${PORT}; leave it out, or set another`] : [];
}

/** Whether somebody came by HTTPS only the proxy can say. */
function proxyProblems({ HTTPS_REDIRECT, TRUST_PROXY }: { HTTPS_REDIRECT: boolean; TRUST_PROXY: number }): string[] {
  return HTTPS_REDIRECT && TRUST_PROXY === 0 ? ['HTTPS_REDIRECT needs a proxy in front that says how callers came; set TRUST_PROXY to how many there are'] : [];
}

function shutdownProblems({ SHUTDOWN_DELAY_SECONDS: delay = 0, SHUTDOWN_SECONDS: all }: { SHUTDOWN_DELAY_SECONDS?: number | undefined; SHUTDOWN_SECONDS: number }): string[] {
  return delay < all ? [] : [`SHUTDOWN_DELAY_SECONDS must be less than SHUTDOWN_SECONDS, ${all}, of which it is the beginning`];
}

/** What would be unsafe in production unless it was asked for in so many words. */
function productionProblems(env: Readonly<Record<string, string | undefined>>): string[] {
  const isEmbeddedAllowed = boolean.safeParse(env.ALLOW_EMBEDDED_DATABASE).data === true;
  return [
    ...(env.JWT_SECRET || env.JWT_SECRET_FILE ? [] : ['JWT_SECRET must be set in production; make one with: openssl rand -base64 48']),
    ...(env.DATABASE_URL || env.DATABASE_URL_FILE || isEmbeddedAllowed
      ? []
      : ['DATABASE_URL must be set in production; to run on the embedded database all the same, set ALLOW_EMBEDDED_DATABASE=true']),
  ];
}

function secretProblems(secret: string): string[] {
  const isWeak = secret.length < 32 || new Set(secret).size < 10 || /secret|password|changeme|change-me|example/i.test(secret);
  return isWeak ? ['JWT_SECRET is weak; it must be 32 random characters or more; make one with: openssl rand -base64 48'] : [];
}
