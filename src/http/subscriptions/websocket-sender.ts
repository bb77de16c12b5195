import { setImmediate as nextTurn } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { isLarge, slicesOf } from '../text-slices.js';

/**
 * Sends messages in their order. A large one is sent in fragments (RFC 6455, 5.4), as fast as the client reads and one in each turn of the
 * event loop, so that it does not delay other clients.
 */
export class WebsocketSender {
  readonly #socket: WebSocket;
  /** Ends with the last message, while one waits for fragments before it. */
  #sending: Promise<void> | null = null;
  #queued = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Characters of messages that are not handed to the socket yet. */
  get queued(): number {
    return this.#queued;
  }

  /** Resolves once the message is handed to the operating system, or the socket has failed. */
  send(text: string): Promise<void> {
    if (!this.#sending && !isLarge(text)) return this.#sendFrame(text, true);
    this.#queued += text.length;
    const sending = (this.#sending ?? Promise.resolve())
      .then(() => this.#sendFragments(text))
      .finally(() => {
        if (this.#sending === sending) this.#sending = null;
      });
    this.#sending = sending;
    return sending;
  }

  async #sendFragments(text: string): Promise<void> {
    let left = text.length;
    for (const slice of slicesOf(text)) {
      left -= slice.length;
      this.#queued -= slice.length;
      await this.#sendFrame(slice, left === 0);
      if (left > 0) await nextTurn();
    }
  }

  #sendFrame(text: string, isLast: boolean): Promise<void> {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return Promise.resolve();
    // A failed socket is cleaned up on `close`; the sender need not react.
    return new Promise((resolve) => socket.send(text, { fin: isLast }, () => resolve()));
  }
}
