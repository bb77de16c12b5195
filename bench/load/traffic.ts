import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import autocannon from 'autocannon';
import { makeCallers, mixOf, type Account, type Caller, type Kind, type Sent } from './operations.ts';

export interface TrafficOptions {
  /** Of GraphQL. */
  url: string;
  account: Account;
  seconds: number;
  connections: number;
  /** Requests a second, of all connections; absent: as many as are answered. */
  rate?: number | undefined;
  withSignIns: boolean;
}

/** What became of the requests of one kind. */
export interface Outcome {
  answered: number;
  /** Answers that were not right, by the code of their first error; `HTTP 502` and the like where there was none, `NO_ANSWER` where there was no answer. */
  failed: Record<string, number>;
  /** From sending to the end of the answer, in microseconds. */
  latency: RecordableHistogram;
}

export interface TrafficResult {
  seconds: number;
  total: Outcome;
  /** In the order of the mix. */
  kinds: Map<string, Outcome>;
  non2xx: number;
}

/** The first answers are of a gateway that is still warming up. */
const warmUpSeconds = 3;

/** Nothing is slower than this; autocannon gives up before. */
const longestUs = 60_000_000;

/** Sends the mix over `connections` connections, each with one request at a time, and leaves nothing behind but the history of predictions. */
export async function sendTraffic({ url, account, seconds, connections, rate, withSignIns }: TrafficOptions): Promise<TrafficResult> {
  const kinds = mixOf(account, { withSignIns });
  // Others for the warm-up: what it has under way at its end would be in conflict with what the same callers do next.
  const { callers, dismiss } = await makeCallers(url, account, 2 * connections);
  const run = async (duration: number, from: number): Promise<TrafficResult> => {
    const counted = new Counted(kinds);
    let next = from;
    const startMs = performance.now();
    const { non2xx } = await autocannon({
      url: new URL('/', url).href,
      connections,
      duration,
      ...(rate === undefined ? {} : { overallRate: rate }),
      setupClient: (client) => {
        const caller = callers[next++];
        if (caller) client.setRequests([counted.requestsOf(caller)]);
      },
    });
    return { ...counted.result(), seconds: (performance.now() - startMs) / 1000, non2xx };
  };
  try {
    await run(warmUpSeconds, 0);
    return await run(seconds, connections);
  } finally {
    await dismiss().catch((error: unknown) => process.stderr.write(`The employees load-… whom the load has hired are still there: ${String(error)}\n`));
  }
}

/** Counts by kind, which autocannon itself does not. */
class Counted {
  readonly #kinds: readonly Kind[];
  readonly #outcomes: Map<string, Outcome>;
  readonly #total = emptyOutcome();
  readonly #weights: number;

  constructor(kinds: readonly Kind[]) {
    this.#kinds = kinds;
    this.#outcomes = new Map(kinds.map(({ name }) => [name, emptyOutcome()]));
    this.#weights = kinds.reduce((sum, { weight }) => sum + weight, 0);
  }

  /** What one connection sends, one after the other. */
  requestsOf(caller: Caller): autocannon.Request {
    let underWay: { kind: Kind; startMs: number } | null = null;
    return {
      setupRequest: (request) => {
        // A connection that was cut is opened again, and goes on with the next.
        if (underWay) this.#note(underWay.kind, performance.now() - underWay.startMs, 'NO_ANSWER');
        const kind = this.#draw();
        const sent: Sent = kind.next(caller);
        underWay = { kind, startMs: performance.now() };
        return { ...request, body: '', ...sent };
      },
      onResponse: (status, body) => {
        if (!underWay) return;
        this.#note(underWay.kind, performance.now() - underWay.startMs, failureOf(status, body));
        underWay = null;
      },
    };
  }

  result(): Pick<TrafficResult, 'total' | 'kinds'> {
    return { total: this.#total, kinds: this.#outcomes };
  }

  #draw(): Kind {
    let drawn = Math.random() * this.#weights;
    const kind = this.#kinds.find(({ weight }) => (drawn -= weight) < 0) ?? this.#kinds[0];
    if (!kind) throw new Error('There is nothing to send.');
    return kind;
  }

  #note({ name }: Kind, ms: number, failure: string | null): void {
    for (const outcome of [this.#total, this.#outcomes.get(name)]) {
      if (!outcome) continue;
      if (failure === null) outcome.answered += 1;
      else outcome.failed[failure] = (outcome.failed[failure] ?? 0) + 1;
      outcome.latency.record(Math.min(longestUs, Math.max(1, Math.round(ms * 1000))));
    }
  }
}

const emptyOutcome = (): Outcome => ({ answered: 0, failed: {}, latency: createHistogram({ lowest: 1, highest: longestUs, figures: 3 }) });

/** What is wrong with an answer; null where nothing is. */
function failureOf(status: number, body: string): string | null {
  if (body.includes('"errors"')) {
    const code = /"code":"(\w+)"/.exec(body)?.[1];
    if (code !== undefined) return code;
  }
  return status === 200 && body.includes('"data"') ? null : `HTTP ${status}`;
}

export const failuresOf = ({ failed }: Outcome): number => Object.values(failed).reduce((sum, count) => sum + count, 0);
