import path from 'node:path';
import { AuditLog } from '../audit/audit-log.js';
import { AuditRetention } from '../audit/retention.js';
import { CredentialChanges } from '../auth/credential-changes.js';
import { LoginThrottle } from '../auth/login-throttle.js';
import { PasswordPolicy } from '../auth/password-policy.js';
import { SecretCipher } from '../auth/secret-cipher.js';
import { SignInChallenges } from '../auth/sign-in-challenge.js';
import { SigningKeys } from '../auth/signing-keys.js';
import { TokenSigner } from '../auth/token.js';
import { openCache } from '../cache/cache.js';
import type { Config } from '../config/config.js';
import { TableCatalog } from '../database/table-facts.js';
import { features } from '../domains/features.js';
import { domains } from '../domains/index.js';
import { openPubSub } from '../events/pub-sub.js';
import type { ReadYourWrites } from '../graphql/context/read-your-writes.js';
import { IndexGuard } from '../graphql/filtering/index-guard.js';
import type { Services } from '../graphql/module.js';
import { domainSchema } from '../graphql/schema/build-schema.js';
import { BreachedPasswords } from '../integrations/breached-passwords/breached-passwords.js';
import type { ExchangeRates } from '../integrations/exchange-rates/exchange-rates.js';
import { openDocuments, type Documents } from '../persisted-documents/persisted-documents.js';
import { keyPrefix, RedisConnection } from '../redis/connection.js';
import { warnOfEviction } from '../redis/eviction-check.js';
import { openRateCounters, type RateCounters } from '../redis/rate-counters.js';
import type { Logger } from '../telemetry/logger.js';
import { loadOrCreateSecret, projectDir } from './data-dir.js';
import { dataDirOf } from './development-packages.js';
import { openData, openReadYourWrites, type Data, type ProgressListener } from './open-data.js';
import { openInference, type Inference } from './open-inference.js';
import { openMail, publicUrlOf } from './open-mail.js';

/** Everything below GraphQL and HTTP: the services of the domains, and those that only the gateway uses. */
export interface OpenServices extends Services, Data, Inference {
  dataDir: string;
  /** Null if Redis is not configured. */
  redis: RedisConnection | null;
  readYourWrites: ReadYourWrites;
  documents: Documents;
  signingKeys: SigningKeys;
}

export interface StartOptions {
  /** Aborts the start, which then rejects with the signal's reason. */
  signal?: AbortSignal;
  onProgress?: ProgressListener;
}

/**
 * Opens the database, the models, the documents and the connections to other services; `opened` closes them in reverse.
 * @throws OperatorError if a service cannot be opened
 */
export async function openServices(
  config: Config,
  log: Logger,
  opened: AsyncDisposableStack,
  { signal, onProgress = () => undefined }: StartOptions = {},
): Promise<OpenServices> {
  const dataDir = await dataDirOf({ dataDir: config.runtime.dataDir, databaseUrl: config.database.url });
  const baseSchema = domainSchema(domains);
  const redis = openRedis(config.redis.url, config, log, opened);
  const [data, inference] = await settleBoth(
    openData(config, { dataDir, log, signal, onProgress }, opened),
    openInference(config, { baseSchema, features, redis, log }, opened),
  );
  const counters = openCounters(config, { redis, log }, opened);
  const documents = await openDocuments({
    settings: config.documents,
    dir: path.resolve(projectDir, config.documents.dir),
    redis,
    counters,
    log,
  });
  opened.defer(() => documents.close());
  const exchangeRates = await openExchangeRates(config.exchangeRates, { redis, log }, opened);
  const audit = new AuditLog({ orm: data.orm, log });
  opened.defer(() => audit.close());
  const retention = new AuditRetention({ orm: data.orm, days: config.auth.auditRetentionDays, log });
  opened.defer(() => retention.close());
  const pubSub = openPubSub({ redis, logger: log });
  opened.defer(() => pubSub.close());
  const { auth } = config;
  const { signingKeys, cipher } = openKeys(config, dataDir);
  return {
    ...data,
    ...inference,
    redis,
    readYourWrites: openReadYourWrites(config.database, redis, opened),
    dataDir,
    baseSchema,
    features,
    exchangeRates,
    documents,
    pubSub,
    signingKeys,
    tokens: new TokenSigner(signingKeys, auth.accessTokenTtlSeconds),
    credentialChanges: new CredentialChanges(auth.accessTokenTtlSeconds * 1000),
    throttle: new LoginThrottle(config.loginThrottle, counters),
    mail: await openMail(config, log, opened),
    passwords: new PasswordPolicy(auth.breachUrl === undefined ? null : new BreachedPasswords(auth.breachUrl, log)),
    cipher,
    challenges: new SignInChallenges(signingKeys),
    counters,
    audit,
    indexes: new IndexGuard(new TableCatalog(data.db), config.database),
    log,
    settings: {
      refreshTokenTtlDays: auth.refreshTokenTtlDays,
      sessionLifetimeDays: auth.sessionLifetimeDays,
      apiKeyMaxDays: auth.apiKeyMaxDays,
      identityIssuer: config.oidc.issuer ?? null,
      registration: auth.registration,
      publicUrl: publicUrlOf(config),
      mfa: config.mfa,
      historyRetentionDays: config.inference.historyDays,
      predictionJournalDir: config.inference.hasJournal ? path.join(dataDir, 'prediction-journal') : null,
      streams: { bufferedEvents: config.subscriptions.bufferedEvents },
      predictions: config.rateLimits,
    },
  };
}

/**
 * The configured keys of tokens and of stored secrets. Without keys of tokens, a secret is generated once; without keys of stored
 * secrets, they derive from those of tokens.
 */
function openKeys(
  { auth: { jwtSecret, jwtPreviousSecret, jwtKeyPairs: pairs = [] }, mfa }: Pick<Config, 'auth' | 'mfa'>,
  dataDir: string,
): { signingKeys: SigningKeys; cipher: SecretCipher } {
  const secret = jwtSecret ?? (pairs.length > 0 ? undefined : loadOrCreateSecret(dataDir));
  const secrets = [secret, jwtPreviousSecret].filter((one) => one !== undefined);
  const privateKeys = pairs.flatMap(({ privateKey }) => privateKey?.export({ format: 'der', type: 'pkcs8' }) ?? []);
  return {
    signingKeys: new SigningKeys({ secrets, pairs }),
    cipher: new SecretCipher(mfa.encryptionKeys ?? [...privateKeys, ...secrets]),
  };
}

/** The connections that caches, counters and pub/sub share; null if Redis is not configured. */
function openRedis(
  url: string | undefined,
  { redis: { timeoutMs }, database: { schema } }: Pick<Config, 'redis' | 'database'>,
  log: Logger,
  opened: AsyncDisposableStack,
): RedisConnection | null {
  if (url === undefined) return null;
  const redis = new RedisConnection({ url, prefix: keyPrefix(schema), deadlineMs: timeoutMs, logger: log });
  opened.defer(() => redis.close());
  return redis;
}

/** Counters in their own Redis if one is configured: caches are evicted, and an evicted counter would restart a limit. */
function openCounters(
  settings: Pick<Config, 'redis' | 'database'>,
  { redis: shared, log }: { redis: RedisConnection | null; log: Logger },
  opened: AsyncDisposableStack,
): RateCounters {
  const redis = openRedis(settings.redis.countersUrl, settings, log, opened) ?? shared;
  if (redis) warnOfEviction(redis, log);
  const counters = openRateCounters(redis);
  opened.defer(() => counters.close());
  return counters;
}

/** Like `Promise.all`, but waits for both even if one fails, so that `opened` closes whatever the other opened. */
async function settleBoth<One, Other>(one: Promise<One>, other: Promise<Other>): Promise<[One, Other]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
}

/** Exchange rates and the cache in which replicas share them; null if no source is configured. */
async function openExchangeRates(
  { url, timeoutMs, ttlSeconds, maxStaleSeconds }: Config['exchangeRates'],
  { redis, log }: { redis: RedisConnection | null; log: Logger },
  opened: AsyncDisposableStack,
): Promise<ExchangeRates | null> {
  if (url === undefined) return null;
  const { ExchangeRates } = await import('../integrations/exchange-rates/exchange-rates.js');
  const cache = openCache({ redis, namespace: 'rates', maxEntries: 10, maxBytes: 1024 * 1024 });
  opened.defer(() => cache.close());
  const rates = new ExchangeRates({ url, timeoutMs, ttlSeconds, maxStaleSeconds, cache, log });
  opened.defer(() => rates.close());
  return rates;
}
