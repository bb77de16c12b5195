import type { ApolloServerPlugin, GraphQLRequestContext } from '@apollo/server';
import type { OperationTypeNode } from 'graphql';
import { Histogram, type HistogramCounts } from '../shared/histogram.js';
import type { Work } from '../shared/work.js';
import type { Context } from './context.js';
import { isFailure, knownCode, type Refusals } from './refusals.js';

/** How an operation ended: without an error; with errors that are the caller's; or with one at least that is the gateway's own. */
export type Outcome = 'ok' | 'refused' | 'error';

/** `unknown`: it could not be read, or was refused before it was. */
export type OperationType = `${OperationTypeNode}` | 'unknown';

/** What was counted of the operations of a name, since the start. */
export interface OperationCounts {
  /** `other` for all that are not told apart. */
  operation: string;
  type: OperationType;
  outcomes: Readonly<Record<Outcome, number>>;
  seconds: HistogramCounts;
  statements: HistogramCounts;
  /** Errors by their codes. */
  errors: ReadonlyMap<string, number>;
}

export interface OperationStatisticsOptions {
  /** Whether the document with this SHA-256 is one that a client was released with: only their operations are told apart by name. */
  isTrusted: (hash: string) => boolean;
  refusals: Refusals;
  /** Names that are told apart; later ones count as `other`. */
  maxNames?: number;
}

type Request = Pick<GraphQLRequestContext<Context>, 'queryHash' | 'operationName' | 'operation' | 'response' | 'contextValue'>;

/** From an answer that was kept to one that came to its deadline. */
const secondsBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const statementsBounds = [0, 1, 2, 3, 5, 10, 20, 50, 100];

const otherName = 'other';

/**
 * Counts queries and mutations: how they ended, how long they took and how many statements they had the database execute.
 * Anyone can make up names, so that only those in trusted documents are told apart.
 */
export class OperationStatistics {
  /** What all of them had the database do. */
  readonly sql = { statements: 0, ms: 0 };
  readonly #options: Required<OperationStatisticsOptions>;
  readonly #counted = new Map<string, Counted>();

  constructor(options: OperationStatisticsOptions) {
    this.#options = { maxNames: 500, ...options };
  }

  /** For Apollo Server. */
  plugin(): ApolloServerPlugin<Context> {
    return {
      requestDidStart: () => {
        const startMs = performance.now();
        return Promise.resolve({
          willSendResponse: (request) => {
            this.#count(request, startMs);
            return Promise.resolve();
          },
        });
      },
      // Such a request is no operation that could be counted.
      invalidRequestWasReceived: () => {
        this.#options.refusals.count(['BAD_REQUEST']);
        return Promise.resolve();
      },
    };
  }

  /** Counts an operation that was refused before Apollo Server had it. That the answer is a refusal is counted by who sends it. */
  refusedBefore(code: unknown, startMs: number, work: Work): void {
    this.#add(this.#of(otherName, 'unknown'), [code], startMs, work);
  }

  /** Of each name and type. */
  all(): readonly OperationCounts[] {
    return [...this.#counted.values()];
  }

  #count({ queryHash, operationName, operation, response, contextValue }: Request, startMs: number): void {
    const isTrusted = operationName != null && queryHash !== undefined && this.#options.isTrusted(queryHash);
    const counted = this.#of(isTrusted ? operationName : otherName, operation?.operation ?? 'unknown');
    const errors = response.body?.kind === 'single' ? response.body.singleResult.errors : undefined;
    const codes = errors?.map(({ extensions }) => extensions?.code) ?? [];
    if (codes.length > 0) this.#options.refusals.count(codes);
    this.#add(counted, codes, startMs, contextValue.work);
  }

  #add(counted: Counted, codes: readonly unknown[], startMs: number, { sql }: Work): void {
    counted.outcomes[outcomeOf(codes)] += 1;
    counted.seconds.observe((performance.now() - startMs) / 1000);
    counted.statements.observe(sql.times);
    for (const code of codes.map(knownCode)) counted.errors.set(code, (counted.errors.get(code) ?? 0) + 1);
    this.sql.statements += sql.times;
    this.sql.ms += sql.ms;
  }

  #of(operation: string, type: OperationType): Counted {
    const key = `${type} ${operation}`;
    const known = this.#counted.get(key);
    if (known) return known;
    if (operation !== otherName && this.#counted.size >= this.#options.maxNames) return this.#of(otherName, type);
    const counted: Counted = {
      operation,
      type,
      outcomes: { ok: 0, refused: 0, error: 0 },
      seconds: new Histogram(secondsBounds),
      statements: new Histogram(statementsBounds),
      errors: new Map(),
    };
    this.#counted.set(key, counted);
    return counted;
  }
}

interface Counted extends OperationCounts {
  outcomes: Record<Outcome, number>;
  seconds: Histogram;
  statements: Histogram;
  errors: Map<string, number>;
}

function outcomeOf(codes: readonly unknown[]): Outcome {
  if (codes.length === 0) return 'ok';
  return codes.some(isFailure) ? 'error' : 'refused';
}
