import type { Client } from './sent-operation.js';

/** Uses of a document by a client since the last `drain`. */
export interface DocumentUse {
  /** SHA-256 of the text; empty for untrusted documents that are counted together. */
  hash: string;
  /** The client's name and version; empty if not sent, or past `maxKeys`. */
  client: string;
  clientVersion: string;
  /** The name of the first operation; null if it has none. */
  operationName: string | null;
  isTrusted: boolean;
  count: number;
  /** Uses that `enforce` would have rejected. */
  refusableCount: number;
  firstUsedAt: Date;
  lastUsedAt: Date;
}

/** A document to be counted. */
export interface CountedDocument {
  hash: string;
  text: string;
  isTrusted: boolean;
}

/**
 * Counts uses of documents by client and version, in memory, until `drain`. Bounded: past `maxKeys`, a trusted document is counted
 * without its client, and all others are counted together.
 */
export class UsageCounter {
  #uses = new Map<string, DocumentUse>();

  constructor(readonly maxKeys = 10_000) {}

  count(document: CountedDocument, client: Client, isRejectable: boolean): void {
    const now = new Date();
    const use = this.#useOf(document.hash, client.name ?? '', client.version ?? '', () => ({
      operationName: operationNameIn(document.text),
      isTrusted: document.isTrusted,
      firstUsedAt: now,
    }));
    use.count += 1;
    use.lastUsedAt = now;
    use.isTrusted = document.isTrusted && use.hash !== '';
    if (isRejectable) use.refusableCount += 1;
  }

  /** Pairs of document and client that wait to be drained. */
  get size(): number {
    return this.#uses.size;
  }

  /** Returns the counts and starts again at zero. */
  drain(): DocumentUse[] {
    const uses = [...this.#uses.values()];
    this.#uses = new Map();
    return uses;
  }

  /** Adds counts of a `drain` that could not be written. */
  restore(uses: readonly DocumentUse[]): void {
    for (const before of uses) {
      const use = this.#useOf(before.hash, before.client, before.clientVersion, () => before);
      use.count += before.count;
      use.refusableCount += before.refusableCount;
      if (before.firstUsedAt < use.firstUsedAt) use.firstUsedAt = before.firstUsedAt;
      if (before.lastUsedAt > use.lastUsedAt) use.lastUsedAt = before.lastUsedAt;
    }
  }

  /** @param first describes the document and its first use, if it was not counted before */
  #useOf(hash: string, client: string, clientVersion: string, first: () => FirstUse): DocumentUse {
    const key = `${hash} ${client}\n${clientVersion}`;
    const known = this.#uses.get(key);
    if (known) return known;
    const { operationName, isTrusted, firstUsedAt } = first();
    if (this.#uses.size < this.maxKeys)
      return this.#add(key, { hash, client, clientVersion, operationName, isTrusted, firstUsedAt });
    const shared = isTrusted ? { hash, operationName } : { hash: '', operationName: null };
    const rest = `${shared.hash} \n`;
    return (
      this.#uses.get(rest) ?? this.#add(rest, { ...shared, client: '', clientVersion: '', isTrusted, firstUsedAt })
    );
  }

  #add(key: string, use: Omit<DocumentUse, 'count' | 'refusableCount' | 'lastUsedAt'>): DocumentUse {
    const added = { ...use, count: 0, refusableCount: 0, lastUsedAt: use.firstUsedAt };
    this.#uses.set(key, added);
    return added;
  }
}

type FirstUse = Pick<DocumentUse, 'operationName' | 'isTrusted' | 'firstUsedAt'>;

/** Guesses the name of the first operation without parsing; a comment or string before it can mislead. */
export const operationNameIn = (text: string): string | null =>
  /\b(?:query|mutation|subscription)\s+([_A-Za-z]\w{0,199})/.exec(text.slice(0, 10_000))?.[1] ?? null;
