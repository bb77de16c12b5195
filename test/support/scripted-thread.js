import { parentPort, threadId } from 'node:worker_threads';

/**
 * A worker thread without a runtime. A load fails if the bytes are the text `bad`; a run performs the act named by the
 * first element of its feed `act`.
 */
const graphs = new Set();

const acts = {
  respond: () => done({ outputs: { thread: { type: 'string', dims: [1], data: [String(threadId)] } }, computeMs: 1 }),
  fail: () => failed('the model failed'),
  throw: () => {
    throw new Error('the thread crashed');
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
      if (Buffer.from(request.bytes).toString() === 'bad') return failed('invalid model');
      graphs.add(request.graph);
      return done({
        inputs: [],
        outputs: [],
        execution: { provider: 'cpu', fallback: null },
        loadMs: 1,
        sessionBytes: 1000,
      });
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
