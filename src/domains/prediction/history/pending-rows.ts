import type { JournalEntry } from './journal.js';
import { StoredRows } from './stored-rows.js';

/** Rows of one call that are written together. */
export interface PendingChunk {
  rows: StoredRows;
  /** Its place in the journal; null if it is not there. */
  entry: Promise<JournalEntry | null>;
  /** Resolves once the rows are written or dropped. */
  written: Promise<void>;
  finish: () => void;
}

const noRows = StoredRows.joined([]);

/** Rows that wait to be written, the oldest first. Rows that their owner waits for go first. */
export class PendingRows {
  readonly #queued = new Set<PendingChunk>();
  readonly #urgent = new Set<PendingChunk>();
  /** Chunks that are queued or being written, by owner. */
  readonly #byOwner = new Map<string, Set<PendingChunk>>();
  #rows = 0;

  /** Rows that are queued or being written. */
  get length(): number {
    return this.#rows;
  }

  get queuedChunks(): number {
    return this.#queued.size + this.#urgent.size;
  }

  add({ rows, entry }: Pick<PendingChunk, 'rows' | 'entry'>): void {
    const { promise: written, resolve } = Promise.withResolvers<undefined>();
    const { owner } = rows;
    const chunk: PendingChunk = { rows, entry, written, finish: () => resolve(undefined) };
    this.#queued.add(chunk);
    this.#rows += rows.length;
    if (owner === null) return;
    const chunks = this.#byOwner.get(owner) ?? new Set();
    this.#byOwner.set(owner, chunks.add(chunk));
  }

  /** Takes the next chunks, up to a number of rows and bytes, and at least one. */
  take(maxRows: number, maxBytes: number): PendingChunk[] {
    const taken: PendingChunk[] = [];
    let [rows, bytes] = [0, 0];
    for (const queue of [this.#urgent, this.#queued])
      for (const chunk of queue) {
        if (taken.length > 0 && (rows + chunk.rows.length > maxRows || bytes + chunk.rows.bytes > maxBytes))
          return taken;
        queue.delete(chunk);
        taken.push(chunk);
        rows += chunk.rows.length;
        bytes += chunk.rows.bytes;
      }
    return taken;
  }

  /** Ends the chunks: they are written, or cannot be. */
  finish(chunks: readonly PendingChunk[]): void {
    for (const chunk of chunks) {
      const { length, owner } = chunk.rows;
      this.#rows -= length;
      // Tables that the sets outgrew hold the chunk until a full collection of garbage.
      chunk.rows = noRows;
      chunk.finish();
      void chunk.entry.then((entry) => entry?.release());
      if (owner === null) continue;
      const chunks = this.#byOwner.get(owner);
      chunks?.delete(chunk);
      if (chunks?.size === 0) this.#byOwner.delete(owner);
    }
  }

  /** Lets the rows of an owner go first. @returns what resolves once those recorded until now are written */
  async writtenOf(owner: string): Promise<void> {
    const chunks = [...(this.#byOwner.get(owner) ?? [])];
    for (const chunk of chunks) if (this.#queued.delete(chunk)) this.#urgent.add(chunk);
    await Promise.all(chunks.map(({ written }) => written));
  }
}
