import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import type { AddressInfo } from 'node:net';
import { projectDir, reachableFolder, startProgram } from '../../test/kit/process.ts';
import { freePort, reasonToSkipRedis, startRedis } from '../../test/kit/redis.ts';
import { documents } from './documents.ts';

/** A gateway at work with all that it can have: Redis, a database with a replica, a canary, a shadow, exchange rates, trusted documents. */
export interface Setting {
  url: string;
  metricsUrl: string;
}

/** How often a caller may ask: what an eager one exceeds, and an ordinary one does not. */
export const limits = { windowSeconds: 1, perViewer: 60, perAddress: 60, loginsPerAccount: 2, bodyBytes: 65_536 };

/** Starts it all. What is opened goes on the stack, to be closed in reverse. */
export async function openSetting(opened: AsyncDisposableStack): Promise<Setting> {
  const dir = await reachableFolder();
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const metricsPort = await freePort();
  const gateway = startProgram('main.js', {
    cwd: dir,
    env: {
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_PORT: String(metricsPort),
      LOG_LEVEL: 'error',
      DATA_DIR: dir,
      ...(await openDatabase(opened)),
      READ_OWN_WRITES_SECONDS: '1',
      DEMO_DATA: 'true',
      ...(await openRedis(opened)),
      MODEL_STORE: await makeModelStore(path.join(dir, 'models')),
      TRUSTED_DOCUMENTS: 'enforce',
      TRUSTED_DOCUMENTS_DIR: await releaseDocuments(path.join(dir, 'documents')),
      EXCHANGE_RATES_URL: await openExchangeRates(opened),
      MAX_LOGINS_PER_ACCOUNT: String(limits.loginsPerAccount),
      MAX_BODY_BYTES: String(limits.bodyBytes),
      RATE_LIMIT_WINDOW_SECONDS: String(limits.windowSeconds),
      RATE_LIMIT_PER_VIEWER: String(limits.perViewer),
      RATE_LIMIT_PER_ADDRESS: String(limits.perAddress),
    },
  });
  opened.defer(async () => {
    gateway.signal('SIGTERM');
    await gateway.ended;
  });
  return { url: await gateway.ready(), metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` };
}

/** A PostgreSQL, and another that follows it. */
async function openDatabase(opened: AsyncDisposableStack): Promise<{ DATABASE_URL: string; DATABASE_REPLICA_URLS: string }> {
  // The tests' own, whose sources name each other as jest wants it: Node has to be told.
  await import('../../test/kit/run-typescript.js');
  const { startCluster } = await import('../../test/kit/replica.ts');
  const cluster = await startCluster(1);
  opened.defer(() => cluster.stop());
  return { DATABASE_URL: cluster.url, DATABASE_REPLICA_URLS: cluster.replicas.map(({ url }) => url).join(',') };
}

async function openRedis(opened: AsyncDisposableStack): Promise<{ REDIS_URL?: string }> {
  const reason = reasonToSkipRedis();
  if (reason !== null) {
    process.stderr.write(`Panels of Redis will have no data: ${reason}.\n`);
    return {};
  }
  const redis = await startRedis();
  opened.defer(() => redis.stop());
  return { REDIS_URL: redis.url };
}

/** car-price, whose answers are money; and iris in three versions: one that answers, a canary and a shadow. */
async function makeModelStore(dir: string): Promise<string> {
  const store = path.join(projectDir, 'model-store');
  await cp(path.join(store, 'car-price'), path.join(dir, 'car-price'), { recursive: true });
  for (const version of [1, 2, 3]) await cp(path.join(store, 'iris', '1'), path.join(dir, 'iris', String(version)), { recursive: true });
  const manifest = await readFile(path.join(store, 'iris', 'model.yaml'), 'utf8');
  const versions = ['current: 1', 'canary: { version: 2, percent: 50 }', 'shadow: { version: 3, percent: 100 }'].join('\n');
  await writeFile(path.join(dir, 'iris', 'model.yaml'), manifest.replace('current: 1', versions));
  return dir;
}

/** Only what is released is executed, and told of by its name. */
async function releaseDocuments(dir: string): Promise<string> {
  const manifest = Object.fromEntries(Object.values(documents).map((text) => [`sha256:${createHash('sha256').update(text).digest('hex')}`, text]));
  await mkdir(path.join(dir, 'dashboards'), { recursive: true });
  await writeFile(path.join(dir, 'dashboards', '1.json'), JSON.stringify(manifest));
  return dir;
}

/** A service that answers as the European Central Bank's daily rates are given. */
async function openExchangeRates(opened: AsyncDisposableStack): Promise<string> {
  const rates = { amount: 1, base: 'EUR', date: new Date().toISOString().slice(0, 10), rates: { USD: 1.08, INR: 91.2, GBP: 0.85 } };
  const server = createServer((_request, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify(rates)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.defer(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/latest`;
}
