import { parentPort, workerData } from 'node:worker_threads';
import type { Tensors } from './tensor.js';
import type { RunResult, GraphValue } from './backend.js';
import type { Execution, ExecutionSettings } from './execution.js';
// Tests run this file directly: Node strips the types and needs the exact file name.
import { NativeGate } from './native-gate.ts';
import { openOnnxSession, type OnnxSession } from './onnx-session.ts';

/** A request to a thread; `graph` is the number that the pool assigned. */
export type ThreadRequest =
  | { kind: 'start' }
  | { kind: 'load'; graph: number; bytes: Uint8Array; settings: ExecutionSettings }
  | { kind: 'run'; graph: number; feeds: Tensors }
  | { kind: 'release'; graph: number }
  /** Frees everything and ends the thread; has no reply. */
  | { kind: 'close' };

/** The reply to a request: a value or an error message. */
export type ThreadReply = { kind: 'done'; value: ThreadValue } | { kind: 'failed'; message: string };

export type ThreadValue = LoadResponse | RunResult | null;

export interface LoadResponse {
  inputs: GraphValue[];
  outputs: GraphValue[];
  execution: Execution;
  /** Milliseconds of CPU time of the thread. */
  loadMs: number;
  /** Estimated memory of the session. */
  sessionBytes: number;
}

const gate = new NativeGate(workerData as Int32Array);
const sessions = new Map<number, OnnxSession>();

async function response(request: ThreadRequest): Promise<ThreadValue> {
  switch (request.kind) {
    case 'start':
      return null;
    case 'load': {
      const before = process.threadCpuUsage();
      const rssBefore = process.memoryUsage.rss();
      const session = await openOnnxSession(request.bytes, request.settings);
      const { user, system } = process.threadCpuUsage(before);
      const sessionBytes = estimatedBytes(request.bytes.length, process.memoryUsage.rss() - rssBefore);
      // The runtime has its own copy; this one would stay until a late garbage collection.
      (request.bytes.buffer as ArrayBuffer).transfer(0);
      // A replacement thread may receive a request twice.
      await sessions.get(request.graph)?.close();
      sessions.set(request.graph, session);
      const { inputs, outputs, execution } = session;
      return { inputs, outputs, execution, loadMs: (user + system) / 1000, sessionBytes };
    }
    case 'run': {
      const session = sessions.get(request.graph);
      if (!session) throw new Error(`graph ${request.graph} is not loaded on this thread`);
      return session.run(request.feeds);
    }
    case 'release': {
      const session = sessions.get(request.graph);
      sessions.delete(request.graph);
      await session?.close();
      return null;
    }
    case 'close':
      await Promise.all(Array.from(sessions.values(), (session) => session.close()));
      parentPort?.close();
      return null;
  }
}

/**
 * The growth of the process during a load, within what graphs take: a session of weights takes their bytes once or twice, one of decision trees
 * up to twenty times the file. Other threads allocate meanwhile.
 */
function estimatedBytes(fileBytes: number, growth: number): number {
  return Math.min(Math.max(growth, fileBytes), 24 * fileBytes + 256 * 1024);
}

// Requests are serialized: a close waits for the run before it.
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', (request: ThreadRequest) => {
  last = last.then(() =>
    gate
      .pass(() => response(request))
      .then(
        (value) => reply({ kind: 'done', value }),
        (error: unknown) => reply({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
      ),
  );
});

function reply(message: ThreadReply): void {
  parentPort?.postMessage(message);
}
