import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { TimedOut } from '../../shared/errors.js';
import { NativeGate } from './native-gate.js';
import type { ThreadReply, ThreadRequest, ThreadValue } from './onnx-worker.js';

/** Under `node --watch` Node tells over the same port which files the thread imports. */
interface NodesOwnMessage {
  'watch:import': string[];
}

/** A worker thread that is asked one thing at a time. It keeps the process alive only while an answer is waited for. */
export class WorkerThread {
  /** When the thread has ended, which may be never: what is stuck in native code cannot be stopped. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #gate = new NativeGate();
  #asked: { resolve: (value: ThreadValue) => void; reject: (error: Error) => void; timer: NodeJS.Timeout } | null = null;
  #isLost = false;

  /**
   * @param program takes `ThreadRequest` and answers each with one `ThreadReply`
   * @param onLost called once when the thread ended by itself or was given up; it takes no more requests then
   */
  constructor(
    program: URL,
    private readonly onLost: (error: Error) => void,
  ) {
    // Flags of the process, such as a preload for telemetry, are not for this thread.
    const worker = new Worker(program, { name: 'onnx', execArgv: [], workerData: this.#gate.state });
    worker.unref();
    worker.on('message', (reply: ThreadReply | NodesOwnMessage) => {
      if (!('kind' in reply)) return;
      if (reply.kind === 'done') this.#answered()?.resolve(reply.value);
      else this.#answered()?.reject(new Error(reply.message));
    });
    worker.on('error', (error) => this.#lose(new Error(`The model's thread failed: ${messageOf(error)}`, { cause: error })));
    worker.on('messageerror', (error) => this.#lose(error));
    this.ended = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.#lose(new Error(`The model's thread ended with exit code ${code}.`));
        resolve();
      });
    });
    this.#worker = worker;
  }

  get isBusy(): boolean {
    return this.#asked !== null;
  }

  /**
   * @param limitMs how long an answer may take; then the thread is given up
   * @throws Error that the program answered, or why the thread was lost
   */
  ask(request: ThreadRequest, limitMs: number): Promise<ThreadValue> {
    if (this.#asked) throw new Error('a thread is asked one thing at a time');
    return new Promise((resolve, reject) => {
      const giveUp = () => this.#lose(new TimedOut(`The model's ${request.kind} took longer than ${limitMs} ms and was given up.`, limitMs));
      this.#asked = { resolve, reject, timer: setTimeout(giveUp, limitMs).unref() };
      this.#worker.ref();
      try {
        this.#worker.postMessage(request);
      } catch (error) {
        this.#answered();
        reject(new Error(messageOf(error), { cause: error }));
      }
    });
  }

  /** Gives the thread up: fails what it is at, and does not wait for its end. */
  giveUp(error: Error): void {
    this.#lose(error);
  }

  /** Lets what is under way come to its end within `graceMs`, frees the graphs and ends the thread. */
  async close(graceMs: number): Promise<void> {
    this.#isLost = true;
    this.#askToEnd();
    const grace = new AbortController();
    await Promise.race([this.ended, sleep(graceMs, null, { signal: grace.signal })]);
    grace.abort();
    this.#answered()?.reject(new Error("The model's thread was closed."));
    this.#stop();
  }

  /** Makes it safe to end the process, for which this thread is blocked; false where the thread is in native code for longer. */
  shut(limitMs: number): boolean {
    return this.#gate.shut(limitMs);
  }

  #lose(error: Error): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#answered()?.reject(error);
    this.#stop();
    this.onLost(error);
  }

  /** Stops the thread now, or as soon as it comes out of native code. */
  #stop(): void {
    if (this.#gate.shut(0)) void this.#worker.terminate();
    else this.#askToEnd();
  }

  #askToEnd(): void {
    this.#worker.postMessage({ kind: 'close' } satisfies ThreadRequest);
  }

  /** Ends the wait for an answer; gives what waited. */
  #answered() {
    const asked = this.#asked;
    if (asked === null) return null;
    this.#asked = null;
    clearTimeout(asked.timer);
    this.#worker.unref();
    return asked;
  }
}

/** What another thread threw is no `Error` of this one, though it has its fields. */
function messageOf(error: unknown): string {
  return String((error as Partial<Error> | null)?.message ?? error);
}
