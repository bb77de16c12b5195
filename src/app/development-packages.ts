import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '../errors/operator-error.js';
import type { Database } from '../database/tables.js';
import type { newDemoAccounts } from '../domains/user/demo-accounts.js';
import { projectDir } from './data-dir.js';

interface DatabaseServer {
  url: string;
  stop: () => Promise<void>;
}

/** What the gateway uses of `packages/embedded-postgres`. */
export interface EmbeddedPostgresPackage {
  startEmbeddedPostgres: (options: { dir: string }) => Promise<DatabaseServer>;
  defaultDataDir: (projectDir: string) => string;
}

/** What the gateway uses of `packages/demo-data`. */
export interface DemoDataPackage {
  loadDemoData: (db: Database, accounts: typeof newDemoAccounts) => Promise<void>;
  seedEmployees: (db: Database, count: number) => Promise<number>;
}

interface DatabaseLocation {
  dataDir: string | undefined;
  /** Undefined: an embedded PostgreSQL in the data folder. */
  databaseUrl: string | undefined;
}

/** The configured data folder, or one that survives `npm ci`. @throws ConfigError if the embedded PostgreSQL is missing */
export async function dataDirOf({ dataDir, databaseUrl }: DatabaseLocation): Promise<string> {
  if (dataDir !== undefined) return path.resolve(dataDir);
  if (databaseUrl !== undefined) return path.join(projectDir, '.data');
  return (await importEmbeddedPostgres()).defaultDataDir(projectDir);
}

/**
 * Returns the configured database's URL, or starts an embedded PostgreSQL.
 * @throws ConfigError if the embedded PostgreSQL is missing, EmbeddedPostgresError if it does not start
 */
export async function startDatabase(
  databaseUrl: string | undefined,
  dataDir: string,
  onProgress: (step: string) => void = () => undefined,
): Promise<DatabaseServer> {
  if (databaseUrl !== undefined) return { url: databaseUrl, stop: () => Promise.resolve() };
  if (!existsSync(path.join(dataDir, 'postgres'))) onProgress(`Creating an embedded PostgreSQL in ${dataDir}`);
  return (await importEmbeddedPostgres()).startEmbeddedPostgres({ dir: dataDir });
}

/*
 * Packages for development, which production images leave out. Loaded by path: a static import would make the build need them.
 * Node strips their types.
 */

/** @throws ConfigError if the package is missing */
export const importEmbeddedPostgres = (): Promise<EmbeddedPostgresPackage> =>
  importPackage('embedded-postgres', 'DATABASE_URL must be set: this installation has no embedded PostgreSQL');

/** @throws ConfigError if the package is missing */
export const importDemoData = (): Promise<DemoDataPackage> =>
  importPackage(
    'demo-data',
    'DEMO_DATA=true needs the folder packages/demo-data, which this installation lacks; add it, or unset DEMO_DATA',
  );

async function importPackage<Package>(name: string, problem: string): Promise<Package> {
  const entry = path.join(projectDir, 'packages', name, 'src', 'index.ts');
  if (!existsSync(entry)) throw new ConfigError([problem]);
  return (await import(pathToFileURL(entry).href)) as Package;
}
