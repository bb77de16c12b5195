import { Writable } from 'node:stream';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { openApp, type App } from '../../src/app/open-app.js';
import { TokenSigner } from '../../src/auth/token.js';
import { readConfig } from '../../src/config/config.js';
import { migrate } from '../../src/database/migrate/migrate.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import { SchemaNames } from '../../src/database/schema-names.js';
import type { Database, Tables } from '../../src/database/tables.js';
import { demoAccounts } from '../../src/domains/user/demo-accounts.js';
import { domains } from '../../src/domains/index.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { createTestDatabase, type Preparation } from './database.js';
import { loadDemoAccounts } from './demo-data.js';
import { createExistingTables } from './existing-tables.js';
import { addSession } from './session.js';

const secret = 'kHq3v9ZtL0mWcXy7RbNfD2sPaGjUeTiO4w';

/**
 * Without rate limits, which suites would exceed; the tests of these limits set them. With one inference thread, since each costs a fifth
 * of a start.
 */
const testEnv = {
  HOST: '127.0.0.1',
  PORT: '0',
  LOG_LEVEL: 'info',
  DATA_DIR: '/nonexistent',
  INFERENCE_THREADS: '1',
  PREDICTION_JOURNAL: 'false',
  RATE_LIMIT_PER_VIEWER: '0',
  RATE_LIMIT_PER_ADDRESS: '0',
  RATE_LIMIT_PREDICTION_ROWS: '0',
  MAX_CONNECTIONS_PER_ADDRESS: '0',
  MAX_PENDING_SOCKETS: '100000',
};

/** A response as received by a client. */
export interface GraphQLResponse<Data> {
  status: number;
  headers: Headers;
  data: Data | null | undefined;
  errors: ResponseError[];
}

export interface ResponseError {
  message: string;
  path?: (string | number)[];
  extensions: { code: string; fields?: { field: string; message: string; row?: number }[] } & Record<string, unknown>;
}

export type Variables = Record<string, unknown>;

/** Credentials of a request: a demo account, an access token, an API key, or none. */
export type Caller = 'admin' | 'manager' | 'user' | { token: string } | { apiKey: string } | null;

/** A gateway with its own database and the demo data, and functions to send requests to it. */
export interface TestGateway extends App {
  databaseUrl: string;
  /** The same without a search path. */
  plainUrl: string;
  db: Database;
  /** Parsed log lines. */
  logs: Record<string, unknown>[];
  execute<Data = Record<string, unknown>>(
    caller: Caller,
    document: string,
    variables?: Variables,
    headers?: Record<string, string>,
  ): Promise<GraphQLResponse<Data>>;
  /** Signs and verifies as the gateway does. */
  tokens: TokenSigner;
  /** The JWT secret. */
  secret: string;
  /** An access token of a demo account, in a separate session. */
  tokenOf(caller: 'admin' | 'manager' | 'user'): Promise<string>;
  /** Signs a demo account in with its password. */
  signIn(caller: 'admin' | 'manager' | 'user'): Promise<{ token: string; refreshToken: string }>;
}

/** Untyped data of responses whose fields a test checks one by one. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into responses of any shape; a wrong path fails the assertion
export type AnyData = any;

/** A migrated database with the demo data. */
export const demoDatabase: Preparation = { name: 'gateway', run: prepare };

/**
 * Starts a gateway for one suite. `env` overrides the test environment; a DATABASE_URL in it refers to a prepared
 * database.
 */
export async function startGateway(env: Record<string, string> = {}): Promise<TestGateway> {
  const database = await createTestDatabase(demoDatabase);
  const logs: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n').filter(Boolean))
        logs.push(JSON.parse(line) as Record<string, unknown>);
      done();
    },
  });
  const config = readConfig({ ...testEnv, JWT_SECRET: secret, DATABASE_URL: database.plainUrl, ...env });
  const databaseUrl = env.DATABASE_URL ?? database.url;
  const app = await openApp(config, createLogger(config.runtime.logLevel, sink));
  const db = openTestKysely(databaseUrl, config.database.schema);
  const tokens = new TokenSigner(config.auth.jwtSecret ?? secret, config.auth.accessTokenTtlSeconds);

  /** The session of each demo account, opened at the start, so that no test adds one. Gateways of one database share it. */
  const sessions = new Map<string, string>();
  for (const { id, email } of await db.selectFrom('user_account').select(['id', 'email']).execute()) {
    const [caller = '', host] = email.split('@');
    if (host === 'example.com') sessions.set(caller, await addSession(db, id, id));
  }
  const tokenOf = async (caller: 'admin' | 'manager' | 'user'): Promise<string> => {
    const user = await db
      .selectFrom('user_account')
      .selectAll()
      .where('email', '=', `${caller}@example.com`)
      .executeTakeFirstOrThrow();
    const sessionId = sessions.get(caller) ?? (await addSession(db, user.id));
    sessions.set(caller, sessionId);
    return tokens.sign({ userId: user.id, role: user.role, employeeId: user.employee_id, sessionId }).token;
  };
  const endsSession = /\blogout\b/;
  const cachedTokens = new Map<string, string>();
  const credentials = async (caller: Caller): Promise<Record<string, string>> => {
    if (caller === null) return {};
    if (typeof caller === 'object')
      return 'token' in caller ? { authorization: `Bearer ${caller.token}` } : { 'x-api-key': caller.apiKey };
    const token = cachedTokens.get(caller) ?? (await tokenOf(caller));
    cachedTokens.set(caller, token);
    return { authorization: `Bearer ${token}` };
  };

  return {
    ...app,
    databaseUrl,
    plainUrl: database.plainUrl,
    db,
    logs,
    tokens,
    secret,
    tokenOf,
    async signIn(caller) {
      const document = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken refreshToken } }';
      const response = await fetch(app.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          query: document,
          variables: { input: { email: `${caller}@example.com`, password: demoAccounts.password } },
        }),
      });
      const { data } = (await response.json()) as { data: { login: { accessToken: string; refreshToken: string } } };
      return { token: data.login.accessToken, refreshToken: data.login.refreshToken };
    },
    async execute<Data>(
      caller: Caller,
      document: string,
      variables: Variables = {},
      headers: Record<string, string> = {},
    ): Promise<GraphQLResponse<Data>> {
      const response = await fetch(app.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/graphql-response+json, application/json',
          ...(await credentials(caller)),
          ...headers,
        },
        body: JSON.stringify({ query: document, variables }),
      });
      const body = (await response.json()) as { data?: Data | null; errors?: ResponseError[] };
      if (typeof caller === 'string' && endsSession.test(document) && !body.errors) {
        // Later calls sign in again.
        sessions.delete(caller);
        cachedTokens.set(caller, await tokenOf(caller));
      }
      return { status: response.status, headers: response.headers, data: body.data, errors: body.errors ?? [] };
    },
    async close() {
      await app.close();
      await db.destroy();
      await database.drop();
    },
  };
}

/**
 * Opens the database without MikroORM, which starts slower. Types as in `openOrm`: timestamps are dates, dates are
 * text.
 */
function openTestKysely(connectionString: string, schema: string): Database {
  const types = new pg.TypeOverrides();
  types.setTypeParser(pg.types.builtins.DATE, (text) => text);
  const pool = new pg.Pool({ connectionString, max: 4, types });
  // A test may drop the database while connections are idle.
  pool.on('error', () => {});
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), plugins: [new SchemaNames(schema)] });
}

/** Fills the template that the databases of suites are cloned from: migrations and demo data. */
async function prepare(url: string): Promise<void> {
  const orm = openOrm({ url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
  try {
    await migrate(orm, url);
    await loadDemoAccounts(databaseOf(orm));
    await createExistingTables(
      databaseOf(orm),
      domains.flatMap(({ existingTables = [] }) => existingTables),
    );
  } finally {
    await orm.close();
  }
}

/** Whether a response has no result: no data, or null in every root field. */
export const isEmpty = ({ data }: { data?: object | null | undefined }): boolean =>
  Object.values(data ?? {}).every((value) => value === null);

/** Error codes in order. */
export const codesOf = (response: GraphQLResponse<unknown>): string[] =>
  response.errors.map((error) => error.extensions.code);

/** Invalid fields named by the first error, sorted. */
export const fieldsOf = (response: GraphQLResponse<unknown>): string[] =>
  (response.errors[0]?.extensions.fields ?? []).map((problem) => problem.field).sort();
