import { parentPort, workerData } from 'node:worker_threads';
import type { Tensors } from '../tensor.js';
import type { GraphAnswer, GraphValue } from './backend.js';
// Tests run this file as it lies: Node strips the types, and finds a file by its own name alone.
import { NativeGate } from './native-gate.ts';
import { openOnnxSession, type OnnxSession } from './onnx-session.ts';

/** What a thread is asked, one thing at a time; `graph` is the number that the pool gave the graph. */
export type ThreadRequest =
  | { kind: 'start' }
  | { kind: 'load'; graph: number; bytes: Uint8Array }
  | { kind: 'run'; graph: number; feeds: Tensors }
  | { kind: 'release'; graph: number }
  /** Frees everything and ends the thread; it is not answered. */
  | { kind: 'close' };

/** The answer to one request: a value, or the message of what went wrong. */
export type ThreadReply = { kind: 'done'; value: ThreadValue } | { kind: 'failed'; message: string };

export type ThreadValue = LoadAnswer | GraphAnswer | null;

export interface LoadAnswer {
  inputs: GraphValue[];
  outputs: GraphValue[];
  /** Milliseconds of the thread's own work: other work on the machine does not lengthen them. */
  loadMs: number;
}

const gate = new NativeGate(workerData as Int32Array);
const sessions = new Map<number, OnnxSession>();

async function answer(request: ThreadRequest): Promise<ThreadValue> {
  switch (request.kind) {
    case 'start':
      return null;
    case 'load': {
      const before = process.threadCpuUsage();
      const session = await openOnnxSession(request.bytes);
      const { user, system } = process.threadCpuUsage(before);
      // The runtime has a copy of its own. Left to the garbage collector, this one would stay for many loads to come.
      (request.bytes.buffer as ArrayBuffer).transfer(0);
      // A thread that took another's place may have been told twice.
      await sessions.get(request.graph)?.close();
      sessions.set(request.graph, session);
      return { inputs: session.inputs, outputs: session.outputs, loadMs: (user + system) / 1000 };
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

// One after the other: a close waits for the run before it.
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', (request: ThreadRequest) => {
  last = last.then(() =>
    gate.pass(() => answer(request)).then(
      (value) => reply({ kind: 'done', value }),
      (error: unknown) => reply({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
    ),
  );
});

function reply(message: ThreadReply): void {
  parentPort?.postMessage(message);
}
