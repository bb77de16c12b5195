import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';

const packageFile = path.join(import.meta.dirname, '..', '..', 'package.json');

/** This process, as log lines, spans and metrics name it. */
export const service = {
  name: 'auspex',
  version: (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version,
  /** Distinguishes replicas, also those on one host. */
  instance: `${hostname()}-${process.pid}`,
} as const;
