import { z } from 'zod';
import {
  boolean,
  databaseUrl,
  databaseUrls,
  integer,
  redisUrl,
  schemaName,
  url,
  variable,
  type DefaultsContext,
} from '../variable.js';

export const database = ({ isProduction, hasDatabaseUrl }: DefaultsContext) =>
  z
    .object({
      url: variable('DATABASE_URL', databaseUrl, {
        isSecret: true,
        description:
          'PostgreSQL, as `postgresql://user:password@host:5432/database` or `postgresql://user:password@/database?host=/var/run/postgresql`; special characters of the password are percent-encoded. If absent: an embedded PostgreSQL in `DATA_DIR`. Required in production.',
      }),
      schema: variable('DATABASE_SCHEMA', schemaName, {
        default: 'auspex',
        description:
          'Schema of everything that Auspex creates in the database: tables, types, functions, partitions and the list of migrations. Created if it does not exist. Gateways with different schemas share a database and a Redis without seeing each other.',
      }),
      poolSize: variable('DATABASE_POOL_SIZE', integer(1, 500), {
        default: 10,
        description: 'Maximum number of connections to each server.',
      }),
      connectionTimeoutMs: variable('DATABASE_CONNECTION_TIMEOUT_MS', integer(100, 600_000), {
        default: 5000,
        unit: 'milliseconds',
        description: 'Time limit for getting a connection.',
      }),
      statementTimeoutMs: variable('DATABASE_STATEMENT_TIMEOUT_MS', integer(100, 3_600_000), {
        default: 10_000,
        unit: 'milliseconds',
        description: 'Time limit of a statement.',
      }),
      preparesStatements: variable('DATABASE_PREPARED_STATEMENTS', boolean, {
        default: true,
        description:
          'Prepare frequent statements once per connection. Never done behind a connection pooler that is recognized, such as PgBouncer; turn it off for one that is not.',
      }),
      maxUnindexedRows: variable('MAX_UNINDEXED_ROWS', integer(0, 1_000_000_000), {
        default: 50_000,
        description:
          'Tables with more rows are filtered, sorted and aggregated only by an index; other requests are rejected. 0 for no limit.',
      }),
      maxResultBytes: variable('DATABASE_MAX_RESULT_BYTES', integer(65_536, 1_073_741_824), {
        default: 16_777_216,
        unit: 'bytes',
        description:
          'The most that PostgreSQL may send for the rows of one field, such as a page; a larger result is `QUERY_TOO_LARGE`, and its connection is closed.',
      }),
      replicaUrls: variable('DATABASE_REPLICA_URLS', databaseUrls(20), {
        default: [],
        isSecret: true,
        description: 'Read replicas. If absent, the primary serves all reads.',
      }),
      readYourWritesSeconds: variable('READ_OWN_WRITES_SECONDS', integer(0, 3600), {
        default: 5,
        unit: 'seconds',
        description: 'After a change, the reads of its author go to the primary for this time.',
      }),
      startTimeoutSeconds: variable('DATABASE_START_SECONDS', integer(0, 3600), {
        default: isProduction ? 60 : 5,
        unit: 'seconds',
        description: 'Time that a start waits for the database.',
      }),
      isEmbeddedAllowed: variable('ALLOW_EMBEDDED_DATABASE', boolean, {
        default: false,
        description: 'Allow the embedded database in production.',
      }),
      hasDemoData: variable('DEMO_DATA', boolean, {
        default: !isProduction && !hasDatabaseUrl,
        description:
          'Load demo accounts and employees into an empty database. On by default with the embedded database outside production.',
      }),
    })
    .describe('Database');

export const redis = () =>
  z
    .object({
      url: variable('REDIS_URL', redisUrl, {
        isSecret: true,
        description:
          'Redis, as `redis://host:6379/0`, `rediss://` for TLS, or `unix:///run/redis.sock?db=0`, with `user:password@` before the host or the path, for caches, limits and events that replicas share. If absent: bounded memory of this process.',
      }),
      countersUrl: variable('COUNTERS_REDIS_URL', redisUrl, {
        isSecret: true,
        description:
          'Redis for rate limits and sign-in attempts, with `maxmemory-policy noeviction`, so that filling the caches resets no limit. If absent: `REDIS_URL`.',
      }),
      timeoutMs: variable('CACHE_DEADLINE_MS', integer(1, 10_000), {
        default: 100,
        unit: 'milliseconds',
        description: 'Time that a request waits for the cache before it continues without it.',
      }),
    })
    .describe('Redis');

export const responseCache = () =>
  z
    .object({
      isEnabled: variable('RESPONSE_CACHE', boolean, {
        default: true,
        description: 'Cache responses of queries as their `@cacheControl` hints allow.',
      }),
      maxEntries: variable('RESPONSE_CACHE_MAX_ENTRIES', integer(1, 10_000_000), {
        default: 10_000,
        description: 'Maximum number of responses in memory, without Redis.',
      }),
    })
    .describe('Response cache');

export const queryCache = () =>
  z
    .object({
      isEnabled: variable('QUERY_CACHE', boolean, {
        default: true,
        description:
          'Cache the rows of queries that are the same for every caller, such as the departments, until they change.',
      }),
      ttlSeconds: variable('QUERY_CACHE_TTL_SECONDS', integer(1, 86_400), {
        default: 60,
        unit: 'seconds',
        description: 'Maximum age of cached rows.',
      }),
      maxEntries: variable('QUERY_CACHE_MAX_ENTRIES', integer(1, 10_000_000), {
        default: 10_000,
        description: 'Maximum number of query results in memory, without Redis.',
      }),
    })
    .describe('Query result cache');

export const exchangeRates = () =>
  z
    .object({
      url: variable('EXCHANGE_RATES_URL', url('http:', 'https:'), {
        description:
          'Service that returns JSON in the form of the daily rates of the European Central Bank. If absent, amounts are not converted.',
      }),
      timeoutMs: variable('EXCHANGE_RATES_TIMEOUT_MS', integer(10, 60_000), {
        default: 2000,
        unit: 'milliseconds',
        description: 'Time limit of one attempt.',
      }),
      ttlSeconds: variable('EXCHANGE_RATES_TTL_SECONDS', integer(1, 604_800), {
        default: 3600,
        unit: 'seconds',
        description: 'Age up to which rates are fresh.',
      }),
      maxStaleSeconds: variable('EXCHANGE_RATES_MAX_STALE_SECONDS', integer(0, 31_536_000), {
        default: 345_600,
        unit: 'seconds',
        description:
          'Additional time during which stale rates are used while the service is unavailable; the default is 4 days.',
      }),
    })
    .describe('Exchange rates');
