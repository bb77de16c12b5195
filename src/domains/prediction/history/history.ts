import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../../database/tables.js';
import { Overloaded } from '../../../errors/app-error.js';
import type { QueueRoom, WriteQueue } from '../../../graphql/module.js';
import type { Logger } from '../../../telemetry/logger.js';
import type { PredictionRow } from '../prediction.types.js';
import { insertRows } from './insert-rows.js';
import { Journal } from './journal.js';
import { PendingRows, type PendingChunk } from './pending-rows.js';
import { recoverJournal } from './recovery.js';
import { Room } from './room.js';
import { RowCollector, StoredRows } from './stored-rows.js';

export interface HistoryOptions {
  /** Bytes of rows that are computed or wait to be written. Beyond it a call waits, then it is rejected before it runs. */
  maxBytes?: number;
  /** Concurrent statements. */
  maxWriters?: number;
  /** Called with rows once they are written. */
  onWritten?: (rows: StoredRows) => void;
}

/** Room for the rows of a call. Disposing releases what was not recorded. */
export interface Reservation extends Disposable {
  /** Buffers the rows for writing; never rejects, also if they are larger than expected. */
  record(rows: readonly PredictionRow[]): Promise<void>;
}

/** What a call of a model is going to record. */
export interface ExpectedRows {
  model: string;
  rows: number;
  /** Whether inputs are left out. */
  redactsInput?: boolean;
  signal?: AbortSignal | undefined;
}

/** Delay before a write, so that concurrent calls share it. */
const joinMs = 20;
/** Rows and their text per chunk: serializing them blocks the event loop for one or two milliseconds. */
const chunkSize = { rows: 250, characters: 256 * 1024 };
/** Rows and bytes per insert. */
const batch = { rows: 500, bytes: 1024 * 1024 };
/** Queued rows that occupy another writer. */
const rowsPerWriter = 1_000;
/** How long a call waits for room, and a read for the rows of its caller. */
const waitMs = 1_000;
const retryMs = { first: 100, longest: 1_000 };
const retryAfterSeconds = { busy: 1, failing: 5 };
const megabyte = 1024 * 1024;
/** Bytes of a row of a model that has not been run yet. */
const bytesOfUnknownRow = 1_024;
const maxKnownModels = 10_000;

/**
 * Records predictions in the background, in batches. Calls reserve room before they compute, so that what was computed can always
 * be recorded. Failures of the database are retried, and `close` writes the rest.
 */
export class PredictionHistory implements WriteQueue {
  readonly name = 'prediction_history';
  readonly #db: Database;
  readonly #log: Logger;
  readonly #maxWriters: number;
  readonly #onWritten: (rows: StoredRows) => void;
  #journal: Journal | null = null;
  #recovering: Promise<unknown> = Promise.resolve();
  readonly #room: Room;
  readonly #pending = new PendingRows();
  readonly #writers = new Set<Promise<void>>();
  /** The mean size of a row of the last call, by model. */
  readonly #bytesPerRow = new Map<string, number>();
  #activeWriters = 0;
  #isFailing = false;
  readonly #closing = new AbortController();
  readonly #closed = Promise.withResolvers<undefined>();
  #isClosing = false;
  #isClosed = false;
  #lost = 0;
  #rejected = 0;

  constructor(
    db: Database,
    log: Logger,
    { maxBytes = 64 * megabyte, maxWriters = 4, onWritten = () => {} }: HistoryOptions = {},
  ) {
    this.#db = db;
    this.#log = log;
    this.#maxWriters = maxWriters;
    this.#onWritten = onWritten;
    this.#room = new Room(maxBytes);
  }

  get length(): number {
    return this.#pending.length;
  }

  get lost(): number {
    return this.#lost;
  }

  get room(): QueueRoom {
    const { reserved, capacity } = this.#room;
    const journal = this.#journal && { isUp: this.#journal.isUp, bytes: this.#journal.bytes };
    return { reservedBytes: reserved, capacityBytes: capacity, rejectedCalls: this.#rejected, journal };
  }

  /**
   * Reserves room for the rows of a call before it computes them, by the size of earlier rows of the model.
   * @throws Overloaded if there is no room within a second
   */
  async reserve({ model, rows, redactsInput = false, signal }: ExpectedRows): Promise<Reservation> {
    let reserved = rows * (this.#bytesPerRow.get(model) ?? bytesOfUnknownRow);
    if (reserved > 0 && !(await this.#room.reserve(reserved, { waitMs, signal }))) {
      signal?.throwIfAborted();
      this.#rejected += 1;
      throw this.#overloaded();
    }
    return {
      record: async (predicted) => {
        const chunks = await toChunks(predicted, redactsInput);
        const bytes = sum(chunks.map((chunk) => chunk.bytes));
        if (predicted.length > 0) this.#learn(model, Math.ceil(bytes / predicted.length));
        this.#room.adjust(bytes - reserved);
        reserved = 0;
        const entries: PendingChunk['entry'][] = [];
        for (const rows of chunks) {
          const entry = this.#journal?.append(rows) ?? Promise.resolve(null);
          this.#pending.add({ rows, entry });
          entries.push(entry);
        }
        this.#startWriters();
        await Promise.all(entries);
      },
      [Symbol.dispose]: () => {
        this.#room.adjust(-reserved);
        reserved = 0;
      },
    };
  }

  /** Resolves once the rows that a user recorded before are written, or after one second. Others' rows do not delay it. */
  async settled(owner: string): Promise<void> {
    const timer = new AbortController();
    const isOver = sleep(waitMs, undefined, { ref: false, signal: timer.signal }).catch(() => undefined);
    await Promise.race([this.#pending.writtenOf(owner), isOver]);
    timer.abort();
  }

  /**
   * Keeps rows in files of the directory until they are written, and writes what killed processes left there, in the background.
   * Without effect if the directory cannot be written.
   */
  async openJournal(dir: string): Promise<void> {
    const journal = await Journal.open(dir, this.#log);
    this.#journal = journal;
    if (!journal) return;
    const write = async (rows: StoredRows): Promise<void> => {
      await Promise.race([this.#writeWithRetries(rows), this.#closed.promise]);
      if (this.#isClosing) throw new Error('The history was closed.');
    };
    this.#recovering = recoverJournal({ dir, journal, log: this.#log, write, signal: this.#closing.signal }).catch(
      (error: unknown) => {
        if (!this.#isClosing) this.#log.warn({ err: error, dir }, 'the journal of predictions cannot be read');
      },
    );
  }

  /** Writes the remaining rows. Rows not written in time stay in the journal, or are logged as lost. */
  async close(deadlineMs = 10_000): Promise<void> {
    this.#isClosing = true;
    this.#closing.abort();
    this.#closed.resolve(undefined);
    await this.#recovering;
    const deadline = new AbortController();
    await Promise.race([
      this.#drained(),
      sleep(deadlineMs, undefined, { signal: deadline.signal }).catch(() => undefined),
    ]);
    deadline.abort();
    this.#isClosed = true;
    const rows = this.#pending.length;
    if (rows > 0 && this.#journal?.isUp === true)
      this.#log.warn({ rows }, 'predictions not written before shutdown; the next start reads them from the journal');
    else if (rows > 0) {
      this.#lost += rows;
      this.#log.error({ rows }, 'predictions lost: not written before shutdown');
    }
    await this.#journal?.close();
  }

  async #drained(): Promise<void> {
    while (this.#writers.size > 0) await Promise.all(this.#writers);
  }

  #learn(model: string, bytes: number): void {
    if (this.#bytesPerRow.size >= maxKnownModels) this.#bytesPerRow.clear();
    this.#bytesPerRow.set(model, bytes);
  }

  #overloaded(): Overloaded {
    return this.#isFailing
      ? new Overloaded(
          'Predictions cannot be recorded at present: the database is unavailable.',
          retryAfterSeconds.failing,
        )
      : new Overloaded('Too many predictions wait to be recorded; send fewer rows at a time.', retryAfterSeconds.busy);
  }

  /** One writer for a few rows, more for many. */
  #startWriters(): void {
    const needed = Math.min(this.#maxWriters, Math.ceil(this.#pending.length / rowsPerWriter));
    while (this.#activeWriters < needed) {
      this.#activeWriters += 1;
      const writer = this.#write(this.#activeWriters === 1)
        // Only after `close`, which reports the rows that are left.
        .catch(() => undefined)
        .finally(() => this.#writers.delete(writer));
      this.#writers.add(writer);
    }
  }

  async #write(isFirst: boolean): Promise<void> {
    if (isFirst && !this.#isClosing) await sleep(joinMs);
    for (let chunks = this.#next(); chunks.length > 0; chunks = this.#next()) {
      const bytes = sum(chunks.map(({ rows }) => rows.bytes));
      await this.#writeWithRetries(StoredRows.joined(chunks.map(({ rows }) => rows)));
      this.#pending.finish(chunks);
      this.#room.adjust(-bytes);
    }
    // In the turn that found no rows, so that the next recorded row starts a writer.
    this.#activeWriters -= 1;
  }

  #next(): PendingChunk[] {
    return this.#pending.take(batch.rows, batch.bytes);
  }

  async #writeWithRetries(rows: StoredRows): Promise<void> {
    for (let pauseMs = retryMs.first; ; pauseMs = Math.min(pauseMs * 2, retryMs.longest)) {
      try {
        this.#lost += await insertRows(this.#db, rows, this.#log);
        this.#onWritten(rows);
        if (this.#isFailing) this.#log.info('prediction history recovered');
        this.#isFailing = false;
        return;
      } catch (error) {
        if (this.#isClosed) throw error;
        this.#log[this.#isFailing ? 'debug' : 'warn'](
          { err: error, rows: this.#pending.length },
          'prediction history write failed; retrying',
        );
        this.#isFailing = true;
        await sleep(pauseMs);
      }
    }
  }
}

/** Serializes rows, a chunk per turn of the event loop. */
async function toChunks(rows: readonly PredictionRow[], redactsInput: boolean): Promise<StoredRows[]> {
  const collected = new RowCollector(redactsInput);
  const chunks: StoredRows[] = [];
  for (const row of rows) {
    if (collected.length >= chunkSize.rows || collected.characters >= chunkSize.characters) {
      chunks.push(collected.take());
      await nextTurn();
    }
    collected.add(row);
  }
  if (collected.length > 0) chunks.push(collected.take());
  return chunks;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
