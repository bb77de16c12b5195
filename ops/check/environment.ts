import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import type { AddressInfo } from 'node:net';
import { projectDir, reachableFolder, startProgram } from '../../test/support/process.ts';
import { freePort, reasonToSkipRedis, startRedis } from '../../test/support/redis.ts';

/** A gateway with every optional part: Redis, a read replica, a canary, a shadow, exchange rates, trusted documents. */
export interface Environment {
  url: string;
  metricsUrl: string;
}

/** Operations of the load. All are published as trusted documents, so that metrics carry their names. */
export const documents = {
  signIn: 'mutation SignIn($input: LoginInput!) { login(input: $input) { accessToken } }',
  employees:
    'query Employees($after: String) { employees(first: 20, after: $after) { nodes { id name department { name } manager { name } } pageInfo { endCursor } } }',
  departments: 'query Departments { departments { id name employees(first: 1) { totalCount } } }',
  users: 'query Users { users(first: 5) { nodes { email } } }',
  someEmployees: 'query SomeEmployees { employees(first: 5) { nodes { id jobTitle } } }',
  renameJob:
    'mutation RenameJob($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { id } }',
  species: 'query Species($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { output source } }',
  prices: 'query Prices($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output source } }',
  pricesInEuro:
    'query PricesInEuro($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { outputIn(currency: "EUR") { amounts { amount } isStale } } }',
  follow: 'subscription Follow { predictionRecorded { id } }',
};

/** Limits that only the abusive callers of the load exceed. */
export const limits = { windowSeconds: 1, perViewer: 60, perAddress: 60, loginsPerAccount: 2, bodyBytes: 65_536 };

/** Starts everything. Disposing the stack stops it in reverse order. */
export async function startEnvironment(resources: AsyncDisposableStack): Promise<Environment> {
  const dir = await reachableFolder();
  resources.defer(() => rm(dir, { recursive: true, force: true }));
  const metricsPort = await freePort();
  const gateway = startProgram('main.js', {
    cwd: dir,
    env: {
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_PORT: String(metricsPort),
      LOG_LEVEL: 'error',
      DATA_DIR: dir,
      ...(await startDatabase(resources)),
      READ_OWN_WRITES_SECONDS: '1',
      DEMO_DATA: 'true',
      ...(await startRedisIfInstalled(resources)),
      MODEL_STORE: await writeModelStore(path.join(dir, 'models')),
      TRUSTED_DOCUMENTS: 'enforce',
      TRUSTED_DOCUMENTS_DIR: await writeDocuments(path.join(dir, 'documents')),
      EXCHANGE_RATES_URL: await startExchangeRateService(resources),
      MAX_LOGINS_PER_ACCOUNT: String(limits.loginsPerAccount),
      MAX_BODY_BYTES: String(limits.bodyBytes),
      RATE_LIMIT_WINDOW_SECONDS: String(limits.windowSeconds),
      RATE_LIMIT_PER_VIEWER: String(limits.perViewer),
      RATE_LIMIT_PER_ADDRESS: String(limits.perAddress),
    },
  });
  resources.defer(async () => {
    gateway.signal('SIGTERM');
    await gateway.ended;
  });
  return { url: await gateway.ready(), metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` };
}

/** Starts a PostgreSQL primary with one read replica. */
async function startDatabase(
  resources: AsyncDisposableStack,
): Promise<{ DATABASE_URL: string; DATABASE_REPLICA_URLS: string }> {
  // Test support imports `.js` files that are `.ts` on disk; this hook resolves them.
  await import('../../test/support/run-typescript.js');
  const { startCluster } = await import('../../test/support/replica.ts');
  const cluster = await startCluster(1);
  resources.defer(() => cluster.stop());
  return { DATABASE_URL: cluster.url, DATABASE_REPLICA_URLS: cluster.replicas.map(({ url }) => url).join(',') };
}

async function startRedisIfInstalled(resources: AsyncDisposableStack): Promise<{ REDIS_URL?: string }> {
  const reason = reasonToSkipRedis();
  if (reason !== null) {
    process.stderr.write(`Redis is not available (${reason}); its panels will have no data.\n`);
    return {};
  }
  const redis = await startRedis();
  resources.defer(() => redis.stop());
  return { REDIS_URL: redis.url };
}

/** car-price, whose outputs are amounts of money, and iris with a current, a canary and a shadow version. */
async function writeModelStore(dir: string): Promise<string> {
  const store = path.join(projectDir, 'model-store');
  await cp(path.join(store, 'car-price'), path.join(dir, 'car-price'), { recursive: true });
  for (const version of [1, 2, 3])
    await cp(path.join(store, 'iris', '1'), path.join(dir, 'iris', String(version)), { recursive: true });
  const manifest = await readFile(path.join(store, 'iris', 'model.yaml'), 'utf8');
  const versions = ['current: 1', 'canary: { version: 2, percent: 50 }', 'shadow: { version: 3, percent: 100 }'].join(
    '\n',
  );
  await writeFile(path.join(dir, 'iris', 'model.yaml'), manifest.replace('current: 1', versions));
  return dir;
}

async function writeDocuments(dir: string): Promise<string> {
  const manifest = Object.fromEntries(
    Object.values(documents).map((text) => [`sha256:${createHash('sha256').update(text).digest('hex')}`, text]),
  );
  await mkdir(path.join(dir, 'dashboards'), { recursive: true });
  await writeFile(path.join(dir, 'dashboards', '1.json'), JSON.stringify(manifest));
  return dir;
}

/** Serves daily rates in the format of frankfurter.app. */
async function startExchangeRateService(resources: AsyncDisposableStack): Promise<string> {
  const rates = {
    amount: 1,
    base: 'EUR',
    date: new Date().toISOString().slice(0, 10),
    rates: { USD: 1.08, INR: 91.2, GBP: 0.85 },
  };
  const server = createServer((_request, response) =>
    response.setHeader('content-type', 'application/json').end(JSON.stringify(rates)),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  resources.defer(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/latest`;
}
