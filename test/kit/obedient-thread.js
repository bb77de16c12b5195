import { parentPort, threadId } from 'node:worker_threads';

/**
 * A thread of the worker pool without a runtime, which does what it is told: a load fails where the bytes are the text `bad`; a
 * run does what the first text of its feed `act` says.
 */
const graphs = new Set();

const acts = {
  answer: () => done({ outputs: { thread: { type: 'string', dims: [1], data: [String(threadId)] } }, computeMs: 1 }),
  fail: () => failed('the model failed'),
  throw: () => {
    throw new Error('the thread broke');
  },
  exit: () => process.exit(3),
  never: () => {},
  spin: () => {
    for (;;);
  },
};

parentPort.on('message', (request) => {
  switch (request.kind) {
    case 'load':
      if (Buffer.from(request.bytes).toString() === 'bad') return failed('this is no model');
      graphs.add(request.graph);
      return done({ inputs: [], outputs: [], loadMs: 1 });
    case 'run':
      if (!graphs.has(request.graph)) return failed(`graph ${request.graph} is not loaded`);
      return acts[request.feeds.act.data[0]]();
    case 'close':
      return parentPort.close();
    case 'release':
      graphs.delete(request.graph);
      return done(null);
    default:
      return done(null);
  }
});

function done(value) {
  parentPort.postMessage({ kind: 'done', value });
}

function failed(message) {
  parentPort.postMessage({ kind: 'failed', message });
}
