import type { Client } from 'graphql-ws';

/** The subscription that runs, or the last one. */
export interface StreamState {
  phase: 'connecting' | 'open' | 'ended';
  events: number;
  lastEventAt: Date | null;
}

/** Follows the subscription of the page: whether it is connected, and what it has received. */
export class Streams {
  #state: StreamState | null = null;
  #isConnected = false;
  #listeners = new Set<() => void>();

  constructor(client: Client) {
    client.on('connected', () => this.#setConnected(true));
    client.on('closed', () => this.#setConnected(false));
  }

  /** For useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Null until the first subscription, and after another operation. */
  readonly current = (): StreamState | null => this.#state;

  /** Clears the state when another operation runs. */
  clear(): void {
    this.#change(null);
  }

  /** Counts the events of a subscription. Returning early from the iterator ends the subscription immediately. */
  follow<Event>(events: AsyncIterable<Event>): AsyncIterableIterator<Event> {
    const inner = events[Symbol.asyncIterator]();
    const end = (): void => {
      if (this.#state) this.#change({ ...this.#state, phase: 'ended' });
    };
    this.#change({ phase: this.#isConnected ? 'open' : 'connecting', events: 0, lastEventAt: null });
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: async () => {
        const result = await inner.next().catch((error: unknown) => {
          end();
          throw error;
        });
        if (result.done === true) end();
        else this.#change({ phase: 'open', events: (this.#state?.events ?? 0) + 1, lastEventAt: new Date() });
        return result;
      },
      return: async () => {
        end();
        await inner.return?.();
        return { done: true, value: undefined };
      },
    };
  }

  #setConnected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    if (!this.#state || this.#state.phase === 'ended') return;
    this.#change({ ...this.#state, phase: isConnected ? 'open' : 'connecting' });
  }

  #change(state: StreamState | null): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
