import { createHash } from 'node:crypto';
import type { RedisClient } from './client.js';
import { isErrorReply } from './write-check.js';

/** A Lua script, which Redis runs atomically. */
export class RedisScript {
  readonly #sha1: string;

  constructor(private readonly text: string) {
    this.#sha1 = createHash('sha1').update(text).digest('hex');
  }

  /** Runs the script by its digest, and sends its text only to a server that does not have it. */
  async run(client: RedisClient, options: { keys: string[]; arguments: string[] }): Promise<unknown> {
    try {
      return await client.evalSha(this.#sha1, options);
    } catch (error) {
      if (!isErrorReply(error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return await client.eval(this.text, options);
    }
  }
}
