import type { RunResult } from './backend.js';
import { openOnnxSession, type OnnxSession } from './onnx-session.js';
import type { Resident, SessionMemory } from './session-memory.js';
import type { Tensors } from './tensor.js';

/** The main thread: does one thing per turn of the event loop, over all graphs. */
export class EventLoopThread {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => null);
    return result;
  }
}

/** A graph that runs on the main thread. A run loads it if it was freed. */
export class EventLoopSession implements Resident {
  #session: Promise<OnnxSession> | null = null;
  #runs = 0;

  /** @param bytes estimated memory of the session */
  constructor(
    private readonly graph: Uint8Array,
    readonly bytes: number,
    private readonly thread: EventLoopThread,
    private readonly memory: SessionMemory,
  ) {}

  get isBusy(): boolean {
    return this.#runs > 0;
  }

  /** Loads the graph unless it is loaded. @throws Error from the runtime */
  load(): Promise<unknown> {
    return this.thread.run(() => this.#opened());
  }

  /** Runs the graph. @throws Error from the runtime */
  async run(feeds: Tensors): Promise<RunResult> {
    this.#runs += 1;
    try {
      return await this.thread.run(async () => (await this.#opened()).run(feeds));
    } finally {
      this.#runs -= 1;
    }
  }

  evict(): void {
    const session = this.#session;
    this.#session = null;
    this.memory.remove(this);
    if (session) void this.thread.run(async () => (await session).close()).catch(() => null);
  }

  async #opened(): Promise<OnnxSession> {
    if (this.#session) {
      this.memory.touch(this);
      return this.#session;
    }
    const session = openOnnxSession(this.graph);
    this.#session = session;
    this.memory.add(this);
    try {
      return await session;
    } catch (error) {
      this.#session = null;
      this.memory.remove(this);
      throw error;
    }
  }
}
