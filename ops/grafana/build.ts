/* Writes the dashboards that Grafana reads: `node ops/grafana/build.ts`; with --check it only says whether they are up to date. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { databaseAndCache } from './database-and-cache.ts';
import type { Dashboard } from './json.ts';
import { models } from './models.ts';
import { overview } from './overview.ts';
import { security } from './security.ts';

/** Every dashboard, by the name of its file. */
const dashboards: Record<string, Dashboard> = { overview, models, 'database-and-cache': databaseAndCache, security };

const isCheck = process.argv.includes('--check');
const stale: string[] = [];
for (const [name, dashboard] of Object.entries(dashboards)) {
  const file = path.join(import.meta.dirname, 'dashboards', `${name}.json`);
  const text = `${JSON.stringify(dashboard, null, 2)}\n`;
  if (!isCheck) await writeFile(file, text);
  else if ((await readFile(file, 'utf8').catch(() => '')) !== text) stale.push(`${name}.json`);
}
if (stale.length > 0) {
  process.stderr.write(`Not as ops/grafana says: ${stale.join(', ')}. Run npm run dashboards, and commit what it writes.\n`);
  process.exitCode = 1;
}
