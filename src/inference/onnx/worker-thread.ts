import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { TimedOut } from '../../errors/app-error.js';
import { NativeGate } from './native-gate.js';
import type { ThreadReply, ThreadRequest, ThreadValue } from './onnx-worker.js';

/** Under `node --watch` Node reports imported files over the same port. */
interface NodesOwnMessage {
  'watch:import': string[];
}

/** A worker thread that handles one request at a time. It keeps the process alive only while a request is pending. */
export class WorkerThread {
  /** Resolves when the thread has ended; never if it is stuck in native code. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #gate = new NativeGate();
  #pending: { resolve: (value: ThreadValue) => void; reject: (error: Error) => void; timer: NodeJS.Timeout } | null =
    null;
  #isLost = false;

  /**
   * @param program replies to each `ThreadRequest` with one `ThreadReply`
   * @param onLost called once when the thread ended or was aborted; it accepts no requests after that
   */
  constructor(
    program: URL,
    private readonly onLost: (error: Error) => void,
  ) {
    // Flags of the process, such as a telemetry preload, do not apply to this thread.
    const worker = new Worker(program, { name: 'onnx', execArgv: [], workerData: this.#gate.state });
    worker.unref();
    worker.on('message', (reply: ThreadReply | NodesOwnMessage) => {
      if (!('kind' in reply)) return;
      if (reply.kind === 'done') this.#takePending()?.resolve(reply.value);
      else this.#takePending()?.reject(new Error(reply.message));
    });
    worker.on('error', (error) =>
      this.#lose(new Error(`The model's thread failed: ${messageOf(error)}`, { cause: error })),
    );
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
    return this.#pending !== null;
  }

  /**
   * @param limitMs time limit in milliseconds; the thread is aborted after that
   * @throws the error of the program, or the reason why the thread was lost
   */
  send(request: ThreadRequest, limitMs: number): Promise<ThreadValue> {
    if (this.#pending) throw new Error('a thread handles one request at a time');
    return new Promise((resolve, reject) => {
      const abort = () =>
        this.#lose(
          new TimedOut(`The model's ${request.kind} exceeded its limit of ${limitMs} ms and was aborted.`, limitMs),
        );
      this.#pending = { resolve, reject, timer: setTimeout(abort, limitMs).unref() };
      this.#worker.ref();
      try {
        this.#worker.postMessage(request);
      } catch (error) {
        this.#takePending();
        reject(new Error(messageOf(error), { cause: error }));
      }
    });
  }

  /** Aborts the thread: fails its request without waiting for the thread to end. */
  abort(error: Error): void {
    this.#lose(error);
  }

  /** Waits up to `graceMs` for the request in progress, frees the graphs and ends the thread. */
  async close(graceMs: number): Promise<void> {
    this.#isLost = true;
    this.#requestStop();
    const grace = new AbortController();
    await Promise.race([this.ended, sleep(graceMs, null, { signal: grace.signal })]);
    grace.abort();
    this.#takePending()?.reject(new Error("The model's thread was closed."));
    this.#stop();
  }

  /** Blocks until the process can exit safely. @returns false if the thread stays in native code for longer */
  shut(limitMs: number): boolean {
    return this.#gate.shut(limitMs);
  }

  #lose(error: Error): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#takePending()?.reject(error);
    this.#stop();
    this.onLost(error);
  }

  /** Stops the thread now, or as soon as it leaves native code. */
  #stop(): void {
    if (this.#gate.shut(0)) void this.#worker.terminate();
    else this.#requestStop();
  }

  #requestStop(): void {
    this.#worker.postMessage({ kind: 'close' } satisfies ThreadRequest);
  }

  /** Ends the pending request and returns it. */
  #takePending() {
    const pending = this.#pending;
    if (pending === null) return null;
    this.#pending = null;
    clearTimeout(pending.timer);
    this.#worker.unref();
    return pending;
  }
}

/** An error of another thread is not an instance of this realm's `Error`. */
function messageOf(error: unknown): string {
  return String((error as Partial<Error> | null)?.message ?? error);
}
