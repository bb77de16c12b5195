import type { ApolloServerPlugin } from '@apollo/server';
import type { OperationTypeNode } from 'graphql';
import { Histogram, type HistogramCounts } from '../../../telemetry/histogram.js';
import type { OperationCost } from '../../../telemetry/operation-cost.js';
import type { Context } from '../../context/context.js';
import { isServerError, knownCode } from '../../../errors/codes.js';
import type { RejectionCounts } from '../../../telemetry/rejection-counts.js';
import type { OperationRequest, Stage, StageHooks } from './stage.js';

/** The outcome of an operation: no error, only errors of the caller, or at least one server error. */
type Outcome = 'ok' | 'rejected' | 'error';

/** `unknown` if the operation was rejected before or during parsing. */
export type OperationType = `${OperationTypeNode}` | 'unknown';

/** Counts of the operations of a name, since the start. */
export interface OperationCounts {
  /** `other` for operations that are counted together. */
  operation: string;
  type: OperationType;
  outcomes: Readonly<Record<Outcome, number>>;
  seconds: HistogramCounts;
  statements: HistogramCounts;
  /** By error code. */
  errors: ReadonlyMap<string, number>;
}

export interface OperationStatisticsOptions {
  /** Whether the document with this SHA-256 is trusted; only operations of trusted documents are counted by name. */
  isTrusted: (hash: string) => boolean;
  rejections: RejectionCounts;
  /** Maximum number of names; later ones count as `other`. */
  maxNames?: number;
}

/** From a cached response to a deadline. */
const secondsBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const statementsBounds = [0, 1, 2, 3, 5, 10, 20, 50, 100];

const otherName = 'other';

/**
 * Counts queries and mutations with their outcome, duration and number of database statements. Clients can invent any number of
 * names, so only operations of trusted documents are counted by name.
 */
export class OperationStatistics implements Stage {
  /** Database statements of all operations, and their time in milliseconds. */
  readonly sql = { statements: 0, ms: 0 };
  readonly #options: Required<OperationStatisticsOptions>;
  readonly #counted = new Map<string, Counted>();

  constructor(options: OperationStatisticsOptions) {
    this.#options = { maxNames: 500, ...options };
  }

  begin(): StageHooks {
    const startMs = performance.now();
    return { complete: (request) => this.#count(request, startMs) };
  }

  /** Counts requests that Apollo Server rejects, which have no operation. */
  readonly invalidRequests: ApolloServerPlugin<Context> = {
    invalidRequestWasReceived: () => {
      this.#options.rejections.count(['BAD_REQUEST']);
      return Promise.resolve();
    },
  };

  /** Counts an operation that was rejected before Apollo Server; its sender counts the rejection. */
  countRejected(code: unknown, startMs: number, cost: OperationCost): void {
    this.#add(this.#of(otherName, 'unknown'), [code], startMs, cost);
  }

  /** The counts of each name and type. */
  all(): readonly OperationCounts[] {
    return [...this.#counted.values()];
  }

  #count({ queryHash, operationName, operation, response, contextValue }: OperationRequest, startMs: number): void {
    const isTrusted = operationName != null && queryHash !== undefined && this.#options.isTrusted(queryHash);
    const counted = this.#of(isTrusted ? operationName : otherName, operation?.operation ?? 'unknown');
    const errors = response.body?.kind === 'single' ? response.body.singleResult.errors : undefined;
    const codes = errors?.map(({ extensions }) => extensions?.code) ?? [];
    if (codes.length > 0) this.#options.rejections.count(codes);
    this.#add(counted, codes, startMs, contextValue.cost);
  }

  #add(counted: Counted, codes: readonly unknown[], startMs: number, { sql }: OperationCost): void {
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
      outcomes: { ok: 0, rejected: 0, error: 0 },
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
  return codes.some(isServerError) ? 'error' : 'rejected';
}
