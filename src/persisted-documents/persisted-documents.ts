import { openCache } from '../cache/cache.js';
import type { RedisConnection } from '../redis/connection.js';
import type { RateCounters } from '../redis/rate-counters.js';
import type { Logger } from '../telemetry/logger.js';
import { AutomaticDocuments } from './automatic-persisted-queries.js';
import { DocumentFiles } from './manifest-files.js';
import type { DocumentResolver } from './sent-operation.js';
import { Allowlist } from './allowlist.js';
import { TrustedDocuments } from './trusted-documents.js';
import { UsageCounter } from './usage.js';

export interface DocumentsOptions {
  settings: { trusted: 'off' | 'report' | 'enforce'; isAdminExempt: boolean; hasAutomatic: boolean };
  /** The directory of trusted documents. */
  dir: string;
  /** Where replicas share automatically persisted queries; without it each process has its own. */
  redis: RedisConnection | null;
  /** Counts what each caller stores. */
  counters: RateCounters;
  log: Logger;
}

/** The open documents of a gateway. */
export interface Documents {
  resolver: DocumentResolver;
  trusted: TrustedDocuments;
  usage: UsageCounter;
  close(): Promise<void>;
}

const pollMs = 1_000;
/** Bounds of automatic persisted queries in memory, without Redis. */
const automatic = { maxEntries: 10_000, maxBytes: 32 * 1024 * 1024 };

/**
 * Reads the files of trusted documents and watches them for changes.
 * @throws DocumentFilesError that names every invalid file and entry
 */
export async function openDocuments({ settings, dir, redis, counters, log }: DocumentsOptions): Promise<Documents> {
  const trusted = new TrustedDocuments();
  const usage = new UsageCounter();
  const files = new DocumentFiles({ dir, pollMs, changed: (releases) => trusted.replace('files', releases), log });
  await files.ready();
  const cache = settings.hasAutomatic ? openCache({ redis, namespace: 'auspex:apq', ...automatic }) : null;
  const { trusted: mode, isAdminExempt } = settings;
  const automaticDocuments = cache && new AutomaticDocuments(cache, counters);
  return {
    resolver: new Allowlist({ mode, isAdminExempt, trusted, automatic: automaticDocuments, usage }),
    trusted,
    usage,
    async close() {
      await Promise.all([files.close(), cache?.close()]);
    },
  };
}
