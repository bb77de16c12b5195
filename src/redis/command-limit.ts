import type { RedisCommand, RedisConnection } from './connection.js';

/** Bounds the commands that one consumer has in flight, so that none of them fills the memory of the process. */
export class RedisCommandLimit {
  #inFlight = 0;

  constructor(
    private readonly redis: RedisConnection,
    private readonly maxInFlight: number,
  ) {}

  /** `RedisConnection.execute`, within the bound. @returns `undefined` past the bound as well. */
  async execute<Result>(command: RedisCommand<Result>): Promise<Result | undefined> {
    return this.#isFull(command) ? undefined : this.redis.execute(this.#counted(command));
  }

  /** `RedisConnection.send`, within the bound. @returns `undefined` past the bound as well. */
  async send<Result>(command: RedisCommand<Result>): Promise<Result | undefined> {
    return this.#isFull(command) ? undefined : this.redis.send(this.#counted(command));
  }

  #isFull({ size = 1 }: RedisCommand<unknown>): boolean {
    return this.#inFlight + size > this.maxInFlight;
  }

  /** Counts a command until Redis replies or the connection is lost, also past its deadline. */
  #counted<Result>(command: RedisCommand<Result>): RedisCommand<Result> {
    const { size = 1, run } = command;
    return {
      ...command,
      run: async (client) => {
        this.#inFlight += size;
        try {
          return await run(client);
        } finally {
          this.#inFlight -= size;
        }
      },
    };
  }
}
