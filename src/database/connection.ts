import pg from 'pg';
import { isTracing, SpanKind, traced } from '../shared/tracing.js';
import { noteDone } from '../shared/work.js';
import { databaseFault, markOutcomeUnknown } from './faults.js';
import { toldStatement } from './statement.js';

type Query = (...args: unknown[]) => unknown;

/**
 * A connection of the pool: whatever sends a statement, Kysely or MikroORM, passes here, and waits for a promise. It counts and traces
 * its statements, and once it is lost it never serves again: the driver alone would give one whose answer did not come in time to
 * the next who asks, and have them wait as long.
 */
export class PooledConnection extends pg.Client {
  /** Called with the error of each statement that fails. */
  onFailure: (error: unknown) => void = () => {};
  #lostBy: unknown = null;

  constructor(config?: pg.ClientConfig) {
    super(config);
    this.on('error', (error) => (this.#lostBy ??= error));
  }

  override query = ((...args: unknown[]): unknown => {
    if (this.#lostBy !== null) return this.#answerAfterLoss(args);
    const startMs = performance.now();
    const ask = (): unknown => (pg.Client.prototype.query as Query).apply(this, args);
    const told = isTracing() ? toldStatement(args) : null;
    const answer = told ? traced(told.name, () => ({ ...told.attributes(), 'server.address': this.host, 'server.port': this.port }), ask, SpanKind.CLIENT) : ask();
    if (!(answer instanceof Promise)) return answer;
    answer.finally(() => noteDone('sql', startMs)).catch(() => undefined);
    return answer.catch((error: unknown) => this.#failed(error, textOf(args)));
  }) as typeof pg.Client.prototype.query;

  /** @throws the error, unless it is of a `begin` or a `rollback` on a connection that is lost by it */
  #failed(error: unknown, text: string): unknown {
    this.onFailure(error);
    if (databaseFault(error) !== 'away' && !isFrame(text)) throw error;
    if (mayHaveChanged(text, this.getTransactionStatus()) && !wasNeverSent(error)) markOutcomeUnknown(error);
    this.#lostBy = error;
    this.end().catch(() => undefined);
    return this.#answerAfterLoss([text]);
  }

  /**
   * Kysely keeps a connection for ever whose `begin` or `rollback` has failed (0.29), and so each connection that is cut in a
   * transaction would take one from the pool. With these two nothing is claimed that is not so: what is lost has been rolled
   * back, and what is begun fails with its first statement.
   */
  #answerAfterLoss(args: readonly unknown[]): Promise<unknown> {
    if (isFrame(textOf(args))) return Promise.resolve({ command: '', rowCount: 0, oid: 0, fields: [], rows: [] });
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- it is what was caught
    return Promise.reject(this.#lostBy);
  }
}

const textOf = ([first]: readonly unknown[]): string => {
  const text = typeof first === 'object' && first !== null && 'text' in first ? first.text : first;
  return typeof text === 'string' ? text : '';
};

/** Whether a statement only begins or rolls back a transaction. */
const isFrame = (text: string): boolean => /^\s*(?:begin|start transaction|rollback)\s*(?:;|$|isolation|read)/i.test(text);

/** Whether a statement ends a transaction with its changes, or makes changes outside of one. */
function mayHaveChanged(text: string, status: string | null): boolean {
  if (/^\s*commit\b/i.test(text)) return status !== 'E';
  return status === 'I' && (/^\s*(?:insert|update|delete|merge)\b/i.test(text) || /^\s*with\b.*\b(?:insert into|update|delete from|merge into)\b/is.test(text));
}

/** Whether the driver has refused a statement without sending it. */
const wasNeverSent = (error: unknown): boolean => error instanceof Error && error.message.endsWith('not queryable');
