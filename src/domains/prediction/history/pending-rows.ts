import type { JournalEntry } from './journal.js';
import type { StoredRow } from './stored-row.js';

/** Rows of one call that are written together. */
export interface PendingChunk {
  rows: readonly StoredRow[];
  bytes: number;
  owner: string | null;
  /** Its place in the journal; null if it is not there. */
  entry: Promise<JournalEntry | null>;
  /** Resolves once the rows are written or dropped. */
  written: Promise<void>;
  finish: () => void;
}

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

  add({ rows, bytes, owner, entry }: Pick<PendingChunk, 'rows' | 'bytes' | 'owner' | 'entry'>): void {
    const { promise: written, resolve } = Promise.withResolvers<undefined>();
    const chunk: PendingChunk = { rows, bytes, owner, entry, written, finish: () => resolve(undefined) };
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
        if (taken.length > 0 && (rows + chunk.rows.length > maxRows || bytes + chunk.bytes > maxBytes)) return taken;
        queue.delete(chunk);
        taken.push(chunk);
        rows += chunk.rows.length;
        bytes += chunk.bytes;
      }
    return taken;
  }

  /** Ends the chunks: they are written, or cannot be. */
  finish(chunks: readonly PendingChunk[]): void {
    for (const chunk of chunks) {
      this.#rows -= chunk.rows.length;
      // Tables that the sets outgrew hold the chunk until a full collection of garbage.
      chunk.rows = [];
      chunk.finish();
      void chunk.entry.then((entry) => entry?.release());
      if (chunk.owner === null) continue;
      const chunks = this.#byOwner.get(chunk.owner);
      chunks?.delete(chunk);
      if (chunks?.size === 0) this.#byOwner.delete(chunk.owner);
    }
  }

  /** Lets the rows of an owner go first. @returns what resolves once those recorded until now are written */
  async writtenOf(owner: string): Promise<void> {
    const chunks = [...(this.#byOwner.get(owner) ?? [])];
    for (const chunk of chunks) if (this.#queued.delete(chunk)) this.#urgent.add(chunk);
    await Promise.all(chunks.map(({ written }) => written));
  }
}
