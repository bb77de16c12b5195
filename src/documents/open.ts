import { openCache } from '../shared/cache.js';
import type { Logger } from '../shared/logger.js';
import { AutomaticDocuments } from './automatic.js';
import { DocumentFiles } from './document-files.js';
import type { DocumentGate } from './document-gate.js';
import { TrustedGate } from './gate.js';
import { TrustedDocuments } from './trusted-documents.js';
import { UsageCounter } from './usage.js';

export interface DocumentsOptions {
  settings: { trusted: 'off' | 'report' | 'enforce'; isAdminExempt: boolean; hasAutomatic: boolean };
  /** The folder of trusted documents. */
  dir: string;
  redisUrl: string | undefined;
  cacheDeadlineMs: number;
  log: Logger;
}

/** The documents at work. */
export interface Documents {
  gate: DocumentGate;
  trusted: TrustedDocuments;
  usage: UsageCounter;
  close(): Promise<void>;
}

const pollMs = 1_000;
/** What is remembered where there is no Redis. */
const automatic = { maxEntries: 10_000, maxBytes: 32 * 1024 * 1024 };

/**
 * Opens the gate for documents: reads the files of those that are trusted, and follows them.
 * @throws DocumentFilesError that names every faulty file and entry
 */
export async function openDocuments({ settings, dir, redisUrl, cacheDeadlineMs, log }: DocumentsOptions): Promise<Documents> {
  const trusted = new TrustedDocuments();
  const usage = new UsageCounter();
  const files = new DocumentFiles({ dir, pollMs, changed: (releases) => trusted.replace('files', releases), log });
  await files.ready();
  const cache = settings.hasAutomatic ? openCache({ redisUrl, namespace: 'auspex:apq', ...automatic, deadlineMs: cacheDeadlineMs, logger: log }) : null;
  const { trusted: mode, isAdminExempt } = settings;
  return {
    gate: new TrustedGate({ mode, isAdminExempt, trusted, automatic: cache && new AutomaticDocuments(cache), usage }),
    trusted,
    usage,
    async close() {
      await Promise.all([files.close(), cache?.close()]);
    },
  };
}
