import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import autocannon from 'autocannon';
import {
  createCallers,
  operationMix,
  type Account,
  type Caller,
  type Kind,
  type LoadRequest,
} from './operation-mix.ts';

export interface TrafficOptions {
  /** The GraphQL endpoint. */
  url: string;
  account: Account;
  seconds: number;
  connections: number;
  /** Requests per second over all connections; unlimited by default. */
  rate?: number | undefined;
  withSignIns: boolean;
}

/** Results of one kind of request. */
export interface Outcome {
  succeeded: number;
  /** Failures by the code of the first error, `HTTP 502` without a code, `NO_RESPONSE` without a response. */
  failed: Record<string, number>;
  /** From sending to the end of the response, in microseconds. */
  latency: RecordableHistogram;
}

export interface TrafficResult {
  seconds: number;
  total: Outcome;
  /** By name, in the order of the mix. */
  kinds: Map<string, Outcome>;
  non2xx: number;
}

/** Requests before this are not counted: the gateway is warming up. */
const warmUpSeconds = 3;

/** Upper bound of the histogram; autocannon times out earlier. */
const maxLatencyUs = 60_000_000;

/**
 * Sends the mix over `connections` connections, each with one request at a time. Removes what it created, except prediction history.
 * @throws UserError if the endpoint is unreachable or rejects the account
 */
export async function sendTraffic({
  url,
  account,
  seconds,
  connections,
  rate,
  withSignIns,
}: TrafficOptions): Promise<TrafficResult> {
  const kinds = operationMix(account, { withSignIns });
  // The warm-up has its own callers: its last mutations may still be in flight and would conflict.
  const { callers, remove } = await createCallers(url, account, 2 * connections);
  const run = async (duration: number, from: number): Promise<TrafficResult> => {
    const counter = new Counter(kinds);
    let next = from;
    const startMs = performance.now();
    const { non2xx } = await autocannon({
      url: new URL('/', url).href,
      connections,
      duration,
      ...(rate === undefined ? {} : { overallRate: rate }),
      setupClient: (client) => {
        const caller = callers[next++];
        if (caller) client.setRequests([counter.requestsOf(caller)]);
      },
    });
    return { ...counter.result(), seconds: (performance.now() - startMs) / 1000, non2xx };
  };
  try {
    await run(warmUpSeconds, 0);
    return await run(seconds, connections);
  } finally {
    await remove().catch((error: unknown) =>
      process.stderr.write(`Removing the employees load-… failed: ${String(error)}\n`),
    );
  }
}

/** Counts results by kind, which autocannon does not. */
class Counter {
  readonly #kinds: readonly Kind[];
  readonly #outcomes: Map<string, Outcome>;
  readonly #total = emptyOutcome();
  readonly #weights: number;

  constructor(kinds: readonly Kind[]) {
    this.#kinds = kinds;
    this.#outcomes = new Map(kinds.map(({ name }) => [name, emptyOutcome()]));
    this.#weights = kinds.reduce((sum, { weight }) => sum + weight, 0);
  }

  /** The requests of one connection, sent sequentially. */
  requestsOf(caller: Caller): autocannon.Request {
    let pending: { kind: Kind; startMs: number } | null = null;
    return {
      setupRequest: (request) => {
        // autocannon reopens a lost connection and continues with the next request.
        if (pending) this.#record(pending.kind, performance.now() - pending.startMs, 'NO_RESPONSE');
        const kind = this.#pick();
        const next: LoadRequest = kind.next(caller);
        pending = { kind, startMs: performance.now() };
        return { ...request, body: '', ...next };
      },
      onResponse: (status, body) => {
        if (!pending) return;
        this.#record(pending.kind, performance.now() - pending.startMs, failureOf(status, body));
        pending = null;
      },
    };
  }

  result(): Pick<TrafficResult, 'total' | 'kinds'> {
    return { total: this.#total, kinds: this.#outcomes };
  }

  #pick(): Kind {
    let position = Math.random() * this.#weights;
    const kind = this.#kinds.find(({ weight }) => (position -= weight) < 0) ?? this.#kinds[0];
    if (!kind) throw new Error('The operation mix is empty.');
    return kind;
  }

  #record({ name }: Kind, ms: number, failure: string | null): void {
    for (const outcome of [this.#total, this.#outcomes.get(name)]) {
      if (!outcome) continue;
      if (failure === null) outcome.succeeded += 1;
      else outcome.failed[failure] = (outcome.failed[failure] ?? 0) + 1;
      outcome.latency.record(Math.min(maxLatencyUs, Math.max(1, Math.round(ms * 1000))));
    }
  }
}

const emptyOutcome = (): Outcome => ({
  succeeded: 0,
  failed: {},
  latency: createHistogram({ lowest: 1, highest: maxLatencyUs, figures: 3 }),
});

/** @returns the failure code of a response, or null if it succeeded */
function failureOf(status: number, body: string): string | null {
  if (body.includes('"errors"')) {
    const code = /"code":"(\w+)"/.exec(body)?.[1];
    if (code !== undefined) return code;
  }
  return status === 200 && body.includes('"data"') ? null : `HTTP ${status}`;
}

export const failureCount = ({ failed }: Outcome): number =>
  Object.values(failed).reduce((sum, count) => sum + count, 0);
