import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../../telemetry/logger.js';
import { journalExtension, type Journal } from './journal.js';
import { blockReader } from './journal-blocks.js';
import { StoredRows } from './stored-rows.js';

/** A file that was changed more recently may belong to a process that runs. */
const restMs = 3_000;
const batchRows = 250;
/** Also of the files of earlier releases. */
const extensions = new Set([journalExtension, '.jsonl']);
const readBytes = 1024 * 1024;

export interface RecoveryOptions {
  dir: string;
  journal: Journal;
  log: Logger;
  /** Writes rows; rows that are there already are left as they are. Rejects only when the gateway stops. */
  write: (rows: StoredRows) => Promise<void>;
  signal: AbortSignal;
}

/**
 * Writes the predictions that a killed process left in its journal, and removes its files. Rows may be written twice, also by two
 * processes at once: that changes nothing. @returns the number of rows
 */
export async function recoverJournal(options: RecoveryOptions): Promise<number> {
  const { dir, journal, log, signal } = options;
  let recovered = 0;
  for (;;) {
    const files = (await readdir(dir)).filter((file) => extensions.has(path.extname(file)) && !journal.owns(file));
    let isWaiting = false;
    for (const file of files.map((name) => path.join(dir, name))) {
      const { mtimeMs, size } = await stat(file).catch(() => ({ mtimeMs: 0, size: -1 }));
      if (size < 0) continue;
      if (Date.now() - mtimeMs < restMs) isWaiting = true;
      else recovered += await recoverFile(file, size, options);
      if (signal.aborted) return recovered;
    }
    if (!isWaiting) break;
    await sleep(restMs, undefined, { ref: false, signal }).catch(() => undefined);
    if (signal.aborted) return recovered;
  }
  if (recovered > 0) log.info({ rows: recovered }, 'predictions of a killed process recovered from its journal');
  return recovered;
}

/** The lines of a file that end with a line break. Not by `readline`, for which a line also ends within a JSON text: at U+2028. */
async function* completeLines(file: string): AsyncGenerator<string> {
  let rest = '';
  for await (const text of createReadStream(file, { encoding: 'utf8', highWaterMark: readBytes })) {
    const lines = (rest + String(text)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

async function recoverFile(file: string, size: number, { write, signal }: RecoveryOptions): Promise<number> {
  let batch: StoredRows[] = [];
  let rows = 0;
  let recovered = 0;
  const flush = async (): Promise<void> => {
    await write(StoredRows.joined(batch));
    recovered += rows;
    [batch, rows] = [[], 0];
  };
  const rowsOf = blockReader();
  for await (const line of completeLines(file)) {
    const read = rowsOf(line);
    if (!read) continue;
    batch.push(read);
    rows += read.length;
    if (rows >= batchRows) await flush();
    if (signal.aborted) return recovered;
  }
  if (rows > 0) await flush();
  const now = await stat(file).catch(() => null);
  // It grew: its process runs.
  if (!signal.aborted && now?.size === size) await rm(file, { force: true });
  return recovered;
}
