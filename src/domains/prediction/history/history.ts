import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../../database/tables.js';
import { Overloaded } from '../../../errors/app-error.js';
import { systemErrorCode } from '../../../errors/system-error-code.js';
import type { QueueRoom, WriteQueue } from '../../../graphql/module.js';
import type { Logger } from '../../../telemetry/logger.js';
import type { PredictionRow } from '../prediction.types.js';
import { insertRows } from './insert-rows.js';
import { createPartitionsOf } from './partitions.js';
import { PendingRows, type PendingChunk } from './pending-rows.js';
import { Room } from './room.js';
import { toStoredRow, type StoredRow } from './stored-row.js';

export interface HistoryOptions {
  /** Bytes of rows that are computed or wait to be written. Beyond it a call waits, then it is rejected before it runs. */
  maxBytes?: number;
  /** Concurrent statements. */
  maxWriters?: number;
  /** Called with rows once they are written. */
  onWritten?: (rows: readonly StoredRow[]) => void;
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
/** Rows and bytes per chunk: serializing them blocks the event loop for one or two milliseconds. */
const chunkSize = { rows: 250, bytes: 256 * 1024 };
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
  readonly #onWritten: (rows: readonly StoredRow[]) => void;
  readonly #room: Room;
  readonly #pending = new PendingRows();
  readonly #writers = new Set<Promise<void>>();
  /** The mean size of a row of the last call, by model. */
  readonly #bytesPerRow = new Map<string, number>();
  #activeWriters = 0;
  #isFailing = false;
  #isClosing = false;
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
    return { reservedBytes: reserved, capacityBytes: capacity, rejectedCalls: this.#rejected };
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
        const bytes = sum(chunks.flat().map((row) => row.bytes));
        if (predicted.length > 0) this.#learn(model, bytes / predicted.length);
        this.#room.adjust(bytes - reserved);
        reserved = 0;
        for (const chunk of chunks) this.#pending.add(chunk, chunk[0]?.userId ?? null);
        this.#startWriters();
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

  /** Writes the remaining rows. Rows not written in time are logged as lost. */
  async close(deadlineMs = 10_000): Promise<void> {
    this.#isClosing = true;
    const deadline = new AbortController();
    await Promise.race([
      this.#drained(),
      sleep(deadlineMs, undefined, { signal: deadline.signal }).catch(() => undefined),
    ]);
    deadline.abort();
    if (this.#pending.length === 0) return;
    this.#lost += this.#pending.length;
    this.#log.error({ rows: this.#pending.length }, 'predictions lost: not written before shutdown');
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
      const writer = this.#write(this.#activeWriters === 1).finally(() => this.#writers.delete(writer));
      this.#writers.add(writer);
    }
  }

  async #write(isFirst: boolean): Promise<void> {
    if (isFirst && !this.#isClosing) await sleep(joinMs);
    for (let chunks = this.#next(); chunks.length > 0; chunks = this.#next()) {
      await this.#writeWithRetries(chunks);
      this.#pending.finish(chunks);
      this.#room.adjust(-sum(chunks.map(({ bytes }) => bytes)));
    }
    // In the turn that found no rows, so that the next recorded row starts a writer.
    this.#activeWriters -= 1;
  }

  #next(): PendingChunk[] {
    return this.#pending.take(batch.rows, batch.bytes);
  }

  async #writeWithRetries(chunks: readonly PendingChunk[]): Promise<void> {
    const rows = chunks.flatMap((chunk) => chunk.rows);
    for (let pauseMs = retryMs.first; ; pauseMs = Math.min(pauseMs * 2, retryMs.longest)) {
      try {
        await this.#insert(rows);
        if (this.#isFailing) this.#log.info('prediction history recovered');
        this.#isFailing = false;
        return;
      } catch (error) {
        this.#log[this.#isFailing ? 'debug' : 'warn'](
          { err: error, rows: this.#pending.length },
          'prediction history write failed; retrying',
        );
        this.#isFailing = true;
        await sleep(pauseMs);
      }
    }
  }

  async #insertAll(rows: readonly StoredRow[]): Promise<void> {
    try {
      await insertRows(this.#db, rows);
    } catch (error) {
      if (!lacksPartition(error)) throw error;
      const ids = rows.map(({ id }) => id);
      await createPartitionsOf(this.#db, ids);
      await insertRows(this.#db, rows);
    }
  }

  async #insert(rows: readonly StoredRow[]): Promise<void> {
    try {
      await this.#insertAll(rows);
      this.#onWritten(rows);
    } catch (error) {
      if (!isRejection(error)) throw error;
      const [first] = rows;
      if (rows.length === 1 && first) {
        this.#lost += 1;
        this.#log.error(
          { err: error, id: first.id, model: first.model },
          'prediction dropped: rejected by the database',
        );
        return;
      }
      // A rejected row must not block the others.
      const half = Math.ceil(rows.length / 2);
      await this.#insert(rows.slice(0, half));
      await this.#insert(rows.slice(half));
    }
  }
}

/** Whether PostgreSQL has no partition for a row. */
const lacksPartition = (error: unknown): boolean =>
  systemErrorCode(error) === '23514' && String(error).includes('no partition of relation');

/** Serializes rows, a chunk per turn of the event loop. */
async function toChunks(rows: readonly PredictionRow[], redactsInput: boolean): Promise<StoredRow[][]> {
  const chunks: StoredRow[][] = [];
  let chunk: StoredRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (chunk.length >= chunkSize.rows || bytes >= chunkSize.bytes) {
      chunks.push(chunk);
      chunk = [];
      bytes = 0;
      await nextTurn();
    }
    const stored = toStoredRow(row, redactsInput);
    chunk.push(stored);
    bytes += stored.bytes;
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Whether PostgreSQL rejected the data itself (SQLSTATE classes 22 and 23), so that a retry cannot succeed. */
const isRejection = (error: unknown): boolean => /^2[23]/.test(systemErrorCode(error) ?? '');
