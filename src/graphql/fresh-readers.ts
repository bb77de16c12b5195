import type { ApolloServerPlugin } from '@apollo/server';
import { LRUCache } from 'lru-cache';
import type { Cache } from '../shared/cache.js';
import type { Context } from './context.js';
import { isMutation } from './operation.js';

export interface FreshReadersOptions {
  /** For so long after `add`, at the least, a user reads from the primary; 0: nobody needs to. */
  windowMs: number;
  /** Where the other processes hear of it; null: nowhere, so that it is known in this one alone. */
  cache: Cache | null;
}

/** Far more than there can be within the window. */
const maxUsers = 100_000;

/**
 * Users who must see what is true now: they have changed something, or were told of a change, a moment ago. By user, so that a
 * session sees what a key of the same user has done.
 */
export class FreshReaders {
  readonly #windowMs: number;
  readonly #cache: Cache | null;
  /** When each was added. */
  readonly #added: LRUCache<string, number> | null;

  constructor({ windowMs, cache }: FreshReadersOptions) {
    this.#windowMs = windowMs;
    this.#cache = cache;
    this.#added = windowMs > 0 ? new LRUCache({ max: maxUsers, ttl: this.#keptMs }) : null;
  }

  /** Resolves once the other processes know, too; where they cannot be told, once that is known. */
  async add(userId: string): Promise<void> {
    if (!this.#added) return;
    const nowMs = performance.now();
    const addedMs = this.#added.get(userId);
    // Each is kept for longer than the window, so that who changes one thing after the other is not told of each time.
    if (addedMs !== undefined && nowMs - addedMs < this.#keptMs - this.#windowMs) return;
    this.#added.set(userId, nowMs);
    await this.#cache?.setMany([{ key: userId, value: true }], this.#keptMs);
  }

  async has(userId: string): Promise<boolean> {
    if (!this.#added) return false;
    if (this.#added.has(userId)) return true;
    const [known] = (await this.#cache?.getMany([userId])) ?? [];
    return known !== undefined;
  }

  get #keptMs(): number {
    return this.#windowMs * 1.5;
  }
}

/** Everything in a mutation is read from the primary, and for a while after it everything that its viewer reads. */
export const readingOwnWrites = (readers: FreshReaders): ApolloServerPlugin<Context> => ({
  requestDidStart: () =>
    Promise.resolve({
      responseForOperation: async (request) => {
        const { contextValue } = request;
        const { viewer } = contextValue;
        const userId = viewer.kind === 'stranger' ? null : viewer.userId;
        if (isMutation(request)) {
          contextValue.readFromPrimary();
          // At once, too: who does not wait for the answer may look what has become of it.
          if (userId !== null) void readers.add(userId);
        } else if (userId !== null && (await readers.has(userId))) {
          contextValue.readFromPrimary();
        }
        return null;
      },
      willSendResponse: async (request) => {
        const { viewer } = request.contextValue;
        if (isMutation(request) && viewer.kind !== 'stranger') await readers.add(viewer.userId);
      },
    }),
});
