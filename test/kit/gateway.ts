import { Writable } from 'node:stream';
import { openApp, type App } from '../../src/app.js';
import { TokenSigner } from '../../src/auth/token.js';
import { readConfig } from '../../src/config.js';
import { migrate } from '../../src/database/migrate.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import type { Database } from '../../src/database/tables.js';
import { demoAccounts, loadDemoData } from '../../src/domains/demo-data.js';
import { domains } from '../../src/domains/index.js';
import { createLogger } from '../../src/shared/logger.js';
import { createTestDatabase, type Preparation } from './database.js';

const secret = 'kHq3v9ZtL0mWcXy7RbNfD2sPaGjUeTiO4w';

/** A suite asks more in a minute than people do: limits on requests are set by the tests that are about them. */
const ofTests = { HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'info', DATA_DIR: '/nonexistent', RATE_LIMIT_PER_VIEWER: '0', RATE_LIMIT_PER_ADDRESS: '0' };

/** An answer as a client gets it. */
export interface Answer<Data> {
  status: number;
  headers: Headers;
  data: Data | null | undefined;
  errors: AnswerError[];
}

export interface AnswerError {
  message: string;
  path?: (string | number)[];
  extensions: { code: string; fields?: { field: string; message: string; row?: number }[] } & Record<string, unknown>;
}

export type Variables = Record<string, unknown>;

/** Who asks: a demo account, a bearer token, an API key, or nobody. */
export type Asker = 'admin' | 'manager' | 'user' | { token: string } | { apiKey: string } | null;

/** A whole gateway on a database of its own, filled with the demo data, and ways to ask it. */
export interface TestGateway extends App {
  databaseUrl: string;
  db: Database;
  /** What was logged, a parsed line each. */
  logs: Record<string, unknown>[];
  ask<Data = Record<string, unknown>>(asker: Asker, document: string, variables?: Variables, headers?: Record<string, string>): Promise<Answer<Data>>;
  /** Signs and verifies as the gateway does. */
  tokens: TokenSigner;
  /** What tokens are signed with. */
  secret: string;
  /** A demo account's access token. Its session is not in the database, which streams look at: they need `signIn`. */
  tokenOf(asker: 'admin' | 'manager' | 'user'): Promise<string>;
  /** Signs a demo account in by its password. */
  signIn(asker: 'admin' | 'manager' | 'user'): Promise<{ token: string; refreshToken: string }>;
}

/** The loosely typed answers of tests that look into them field by field. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into answers of any shape; a wrong path fails the assertion
export type Any = any;

/** Migrated, with the demo data. */
export const demoDatabase: Preparation = { name: 'gateway', run: prepare };

/** Starts a gateway for one suite. `env` is set over what the tests use; with a DATABASE_URL of its own it brings its data itself. */
export async function startGateway(env: Record<string, string> = {}): Promise<TestGateway> {
  const database = await createTestDatabase(demoDatabase);
  const logs: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n').filter(Boolean)) logs.push(JSON.parse(line) as Record<string, unknown>);
      done();
    },
  });
  const config = readConfig({ ...ofTests, JWT_SECRET: secret, DATABASE_URL: database.url, ...env });
  const databaseUrl = env.DATABASE_URL ?? database.url;
  const app = await openApp(config, createLogger(config.logLevel, sink));
  const orm = openOrm({ url: databaseUrl, entities: domains.flatMap((domain) => domain.entities), poolSize: 4 });
  const db = databaseOf(orm);
  const tokens = new TokenSigner(config.jwtSecret ?? secret, config.accessTokenTtlSeconds);

  const tokenOf = async (asker: 'admin' | 'manager' | 'user'): Promise<string> => {
    const user = await db.selectFrom('user_account').selectAll().where('email', '=', `${asker}@example.com`).executeTakeFirstOrThrow();
    return tokens.sign({ userId: user.id, role: user.role, employeeId: user.employee_id, sessionId: user.id }).token;
  };
  const remembered = new Map<string, string>();
  const credentials = async (asker: Asker): Promise<Record<string, string>> => {
    if (asker === null) return {};
    if (typeof asker === 'object') return 'token' in asker ? { authorization: `Bearer ${asker.token}` } : { 'x-api-key': asker.apiKey };
    const token = remembered.get(asker) ?? (await tokenOf(asker));
    remembered.set(asker, token);
    return { authorization: `Bearer ${token}` };
  };

  return {
    ...app,
    databaseUrl,
    db,
    logs,
    tokens,
    secret,
    tokenOf,
    async signIn(asker) {
      const document = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken refreshToken } }';
      const response = await fetch(app.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: document, variables: { input: { email: `${asker}@example.com`, password: demoAccounts.password } } }),
      });
      const { data } = (await response.json()) as { data: { login: { accessToken: string; refreshToken: string } } };
      return { token: data.login.accessToken, refreshToken: data.login.refreshToken };
    },
    async ask<Data>(asker: Asker, document: string, variables: Variables = {}, headers: Record<string, string> = {}): Promise<Answer<Data>> {
      const response = await fetch(app.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json, application/json', ...(await credentials(asker)), ...headers },
        body: JSON.stringify({ query: document, variables }),
      });
      const body = (await response.json()) as { data?: Data | null; errors?: AnswerError[] };
      return { status: response.status, headers: response.headers, data: body.data, errors: body.errors ?? [] };
    },
    async close() {
      await app.close();
      await orm.close();
      await database.drop();
    },
  };
}

/** The template that each suite's database is cloned from: migrated, with the demo data. */
async function prepare(url: string): Promise<void> {
  const orm = openOrm({ url, entities: domains.flatMap((domain) => domain.entities), poolSize: 2 });
  try {
    await migrate(orm, url);
    await loadDemoData(databaseOf(orm));
  } finally {
    await orm.close();
  }
}

/** The codes of the errors, in order. */
export const codesOf = (answer: Answer<unknown>): string[] => answer.errors.map((error) => error.extensions.code);

/** The fields that the first error names. */
export const fieldsOf = (answer: Answer<unknown>): string[] => (answer.errors[0]?.extensions.fields ?? []).map((problem) => problem.field).sort();
