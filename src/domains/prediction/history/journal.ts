import { randomBytes } from 'node:crypto';
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { systemErrorCode } from '../../../errors/system-error-code.js';
import type { Logger } from '../../../telemetry/logger.js';
import { journalBlock } from './journal-blocks.js';
import type { StoredRows } from './stored-rows.js';

/** A file of the journal. It is removed once all its rows are written to the database. */
interface Segment {
  file: string;
  handle: FileHandle;
  bytes: number;
  /** Rows that are not in the database yet. */
  pendingRows: number;
}

/** Where rows are in the journal; call `release` once they are in the database. */
export interface JournalEntry {
  release(): void;
}

interface Waiting {
  data: Buffer;
  rows: number;
  done: (entry: JournalEntry | null) => void;
}

/** Beyond this a new segment begins. */
const segmentBytes = 8 * 1024 * 1024;
const syncEveryMs = 1_000;
/** Pause after an error, such as a full disk. */
const retryMs = 10_000;

/** Not that of the files with a line for each row, which earlier releases read and remove. */
export const journalExtension = '.blocks';

/**
 * Files with predictions that the database does not have yet. They survive `kill -9`: the next start writes them. Appends that
 * arrive during a write share the next one; the disk is synchronized every second. The files are as large as the rows that wait
 * to be written, which the room of the history bounds.
 */
export class Journal {
  readonly #dir: string;
  readonly #log: Logger;
  /** Distinguishes the files of processes. */
  readonly #process = randomBytes(6).toString('hex');
  readonly #segments = new Set<Segment>();
  #active: Segment | null = null;
  #count = 0;
  #waiting: Waiting[] = [];
  #working: Promise<void> | null = null;
  #failedAt = -Infinity;
  #isDirty = false;
  #timer: NodeJS.Timeout;

  private constructor(dir: string, log: Logger) {
    this.#dir = dir;
    this.#log = log;
    this.#timer = setInterval(() => void this.#sync(), syncEveryMs).unref();
  }

  /** @returns null if the directory cannot be written, as on a read-only file system */
  static async open(dir: string, log: Logger): Promise<Journal | null> {
    const journal = new Journal(dir, log);
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      journal.#active = await journal.#newSegment();
      return journal;
    } catch (error) {
      clearInterval(journal.#timer);
      log.warn(
        { reason: systemErrorCode(error) ?? String(error), dir },
        'no prediction journal: predictions that are not written yet are lost with a killed process',
      );
      return null;
    }
  }

  /** Bytes on disk. */
  get bytes(): number {
    return [...this.#segments].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** False after an error; appends then continue without the journal, and it is tried again later. */
  get isUp(): boolean {
    return performance.now() - this.#failedAt >= retryMs;
  }

  /** Whether a file belongs to this process. */
  owns(file: string): boolean {
    return path.basename(file).startsWith(this.#process);
  }

  /** Appends rows. Resolves once the operating system has them; with null if they could not be written. */
  async append(rows: StoredRows): Promise<JournalEntry | null> {
    if (rows.length === 0 || !this.isUp) return null;
    const { promise, resolve } = Promise.withResolvers<JournalEntry | null>();
    this.#waiting.push({ data: Buffer.from(journalBlock(rows)), rows: rows.length, done: resolve });
    this.#work();
    return promise;
  }

  /** Removes the files whose rows are written; the next start reads the others. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#working;
    this.#active = null;
    for (const segment of this.#segments) {
      if (segment.pendingRows > 0) await segment.handle.sync().catch(() => undefined);
      await this.#end(segment);
    }
  }

  /** One operation on the files at a time. */
  #work(): void {
    this.#working ??= this.#workAll()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#working = null;
        if (this.#waiting.length > 0) this.#work();
      });
  }

  async #workAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#write(this.#waiting.splice(0));
    for (const segment of this.#segments)
      if (segment.pendingRows === 0 && segment !== this.#active) await this.#end(segment);
    const active = this.#active;
    if (active?.pendingRows === 0 && active.bytes > 0 && this.#waiting.length === 0) {
      await active.handle.truncate(0);
      active.bytes = 0;
    }
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    try {
      if (this.#active && this.#active.bytes > segmentBytes) this.#active = null;
      this.#active ??= await this.#newSegment();
      const segment = this.#active;
      const [first, ...others] = group;
      const data = first && others.length === 0 ? first.data : Buffer.concat(group.map((waiting) => waiting.data));
      await segment.handle.appendFile(data);
      segment.bytes += data.length;
      this.#isDirty = true;
      for (const { rows, done } of group) {
        segment.pendingRows += rows;
        done(this.#entryOf(segment, rows));
      }
    } catch (error) {
      for (const { done } of group) done(null);
      throw error;
    }
  }

  #entryOf(segment: Segment, rows: number): JournalEntry {
    return {
      release: () => {
        segment.pendingRows -= rows;
        if (segment.pendingRows === 0) this.#work();
      },
    };
  }

  async #newSegment(): Promise<Segment> {
    this.#count += 1;
    const file = path.join(this.#dir, `${this.#process}-${this.#count}${journalExtension}`);
    const segment = { file, handle: await open(file, 'ax', 0o600), bytes: 0, pendingRows: 0 };
    this.#segments.add(segment);
    return segment;
  }

  async #end(segment: Segment): Promise<void> {
    this.#segments.delete(segment);
    await segment.handle.close().catch(() => undefined);
    if (segment.pendingRows === 0) await rm(segment.file, { force: true }).catch(() => undefined);
  }

  async #sync(): Promise<void> {
    const active = this.#active;
    if (!active || !this.#isDirty) return;
    this.#isDirty = false;
    try {
      await active.handle.datasync();
      // Another process that took the file for that of a dead one may have removed it.
      const { nlink } = await active.handle.stat();
      if (nlink === 0 && this.#active === active) this.#active = null;
    } catch {
      // The segment was closed meanwhile; an append reports errors of the disk.
    }
  }

  #fail(error: unknown): void {
    this.#failedAt = performance.now();
    this.#active = null;
    this.#log.warn({ err: error, dir: this.#dir }, 'prediction journal failed; continuing without it for a while');
  }
}
