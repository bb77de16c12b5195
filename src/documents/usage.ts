import type { Client } from './document-gate.js';

/** How often a client sent a document since it was last asked. */
export interface DocumentUse {
  /** SHA-256 of the text; empty where what was not trusted is counted together. */
  hash: string;
  /** The client's name and version; empty where it did not say, or is not told apart. */
  client: string;
  clientVersion: string;
  /** Of the first operation in the text; null where it has no name. */
  operationName: string | null;
  isTrusted: boolean;
  count: number;
  /** How many of these `enforce` would have refused. */
  refusableCount: number;
  firstUsedAt: Date;
  lastUsedAt: Date;
}

/** What is counted: a document by its hash, with its text. */
export interface CountedDocument {
  hash: string;
  text: string;
  isTrusted: boolean;
}

/**
 * Counts documents by client and version, in memory, until `drain` takes the counts away. Bounded: past `maxKeys` a trusted
 * document counts without its client, and all others count as one.
 */
export class UsageCounter {
  #uses = new Map<string, DocumentUse>();

  constructor(readonly maxKeys = 10_000) {}

  /** Counts one use. */
  count(document: CountedDocument, client: Client, isRefusable: boolean): void {
    const now = new Date();
    const use = this.#useOf(document.hash, client.name ?? '', client.version ?? '', () => ({
      operationName: operationNameIn(document.text),
      isTrusted: document.isTrusted,
      firstUsedAt: now,
    }));
    use.count += 1;
    use.lastUsedAt = now;
    use.isTrusted = document.isTrusted && use.hash !== '';
    if (isRefusable) use.refusableCount += 1;
  }

  /** Documents with clients that wait to be drained. */
  get size(): number {
    return this.#uses.size;
  }

  /** Takes away what was counted. */
  drain(): DocumentUse[] {
    const uses = [...this.#uses.values()];
    this.#uses = new Map();
    return uses;
  }

  /** Puts back what could not be written. */
  restore(uses: readonly DocumentUse[]): void {
    for (const before of uses) {
      const use = this.#useOf(before.hash, before.client, before.clientVersion, () => before);
      use.count += before.count;
      use.refusableCount += before.refusableCount;
      if (before.firstUsedAt < use.firstUsedAt) use.firstUsedAt = before.firstUsedAt;
      if (before.lastUsedAt > use.lastUsedAt) use.lastUsedAt = before.lastUsedAt;
    }
  }

  /** @param first tells of the document and its first use, where it was not counted before */
  #useOf(hash: string, client: string, clientVersion: string, first: () => FirstUse): DocumentUse {
    const key = `${hash} ${client}\n${clientVersion}`;
    const known = this.#uses.get(key);
    if (known) return known;
    const { operationName, isTrusted, firstUsedAt } = first();
    if (this.#uses.size < this.maxKeys) return this.#add(key, { hash, client, clientVersion, operationName, isTrusted, firstUsedAt });
    const together = isTrusted ? { hash, operationName } : { hash: '', operationName: null };
    const rest = `${together.hash} \n`;
    return this.#uses.get(rest) ?? this.#add(rest, { ...together, client: '', clientVersion: '', isTrusted, firstUsedAt });
  }

  #add(key: string, use: Omit<DocumentUse, 'count' | 'refusableCount' | 'lastUsedAt'>): DocumentUse {
    const added = { ...use, count: 0, refusableCount: 0, lastUsedAt: use.firstUsedAt };
    this.#uses.set(key, added);
    return added;
  }
}

type FirstUse = Pick<DocumentUse, 'operationName' | 'isTrusted' | 'firstUsedAt'>;

/** The name of the first operation, without parsing: a guess that only a comment or a text before it could mislead. */
export const operationNameIn = (text: string): string | null =>
  /\b(?:query|mutation|subscription)\s+([_A-Za-z]\w{0,199})/.exec(text.slice(0, 10_000))?.[1] ?? null;
