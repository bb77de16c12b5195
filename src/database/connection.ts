import type { Socket } from 'node:net';
import pg from 'pg';
import { isTracing, SpanKind, withSpan } from '../telemetry/tracing.js';
import { recordCost } from '../telemetry/operation-cost.js';
import { databaseErrorKind, markOutcomeUnknown } from './database-errors.js';
import { cancelStatement } from './cancel-statement.js';
import { applyToSession, withLocalSettings, type SessionSettings } from './session-settings.js';
import { isTemplateText, NamedStatements } from './named-statements.js';
import { ResponseTime } from './response-time.js';
import { isLimitedResult, ResultSize } from './result-size.js';
import { describeStatement } from './statement.js';

type Query = (...args: unknown[]) => unknown;

export interface PooledConnectionConfig extends pg.ClientConfig {
  settings?: SessionSettings;
  /** Whether frequent statements of templates are prepared by name; never behind a connection pooler. True by default. */
  preparesStatements?: boolean;
  /** The most bytes of the result of a template, or of a statement that ends with `limitedResult`; by default no limit. */
  maxResultBytes?: number;
}

/**
 * A pooled connection, for Kysely and MikroORM. Counts and traces statements. A lost connection fails every later statement:
 * the driver alone would reuse a connection whose response timed out, and the next statement would time out as well.
 *
 * Its settings hold for the session. Behind a connection pooler in transaction mode there is none: they are set in each
 * transaction, and a statement outside of transactions that exceeds `statement_timeout` is cancelled by request.
 */
export class PooledConnection extends pg.Client {
  /** Called with the error of each failed statement. */
  onFailure: (error: unknown) => void = () => {};
  readonly #config: PooledConnectionConfig;
  readonly #settings: SessionSettings;
  readonly #named: NamedStatements;
  readonly #responseTime: ResponseTime;
  readonly #resultSize: ResultSize;
  #hasSession = true;
  #lossError: unknown = null;

  constructor(config: PooledConnectionConfig = {}) {
    super({ ...config, query_timeout: undefined });
    this.#config = config;
    this.#settings = config.settings ?? {};
    this.#named = new NamedStatements(this, { isEnabled: config.preparesStatements ?? true });
    this.#responseTime = new ResponseTime(config.query_timeout, (error) => this.#stream().destroy(error));
    this.#resultSize = new ResultSize(config.maxResultBytes ?? Infinity, () => this.#stream());
    this.on('error', (error) => (this.#lossError ??= error));
    this.on('end', () => this.#responseTime.end());
  }

  override connect = ((callback?: (error?: unknown) => void): unknown => {
    const connected = (pg.Client.prototype.connect as () => Promise<unknown>)
      .call(this)
      .then(() => this.#applySettings());
    if (!callback) return connected;
    connected.then(() => callback(), callback);
    return undefined;
  }) as typeof pg.Client.prototype.connect;

  async #applySettings(): Promise<void> {
    this.#resultSize.watch();
    try {
      this.#hasSession = await applyToSession(this, this.#settings);
    } catch (error) {
      this.end().catch(() => undefined);
      throw error;
    }
  }

  override query = ((...args: unknown[]): unknown => {
    if (this.#lossError !== null) return this.#resultAfterLoss(args);
    const startMs = performance.now();
    const execute = (): unknown => (this.#hasSession ? this.#execute(args) : this.#executeWithoutSession(args));
    const description = isTracing() ? describeStatement(args) : null;
    const result = description
      ? withSpan(
          description.name,
          () => ({ ...description.attributes(), 'server.address': this.host, 'server.port': this.port }),
          execute,
          SpanKind.CLIENT,
        )
      : execute();
    if (!(result instanceof Promise)) return result;
    result.finally(() => recordCost('sql', startMs)).catch(() => undefined);
    return result.catch((error: unknown) => this.#failed(error, textOf(args)));
  }) as typeof pg.Client.prototype.query;

  #execute(args: readonly unknown[]): unknown {
    const [text, values] = args;
    if (isTemplateText(text)) return this.#executeTemplate(text, values);
    const isDriven = args.some((one) => typeof one === 'function') || isSubmittable(text);
    if (isDriven) return (pg.Client.prototype.query as Query).apply(this, [...args]);
    return this.#send(text, values, isLimitedResult(text));
  }

  /**
   * Sends a statement with a callback. For a promise, pg assigns a function to a property; V8 allocates such functions among its
   * old objects, and each would keep its rows until a major garbage collection.
   */
  #send(statement: unknown, values: unknown, isLimited: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      (pg.Client.prototype.query as Query).call(this, statement, values, (error: Error | null, result: unknown) => {
        this.#responseTime.finish();
        this.#resultSize.finish();
        if (error) reject(error);
        else resolve(result);
      });
      this.#responseTime.begin();
      if (isLimited) this.#resultSize.begin();
    });
  }

  #stream(): Socket {
    return (this as unknown as { connection: { stream: Socket } }).connection.stream;
  }

  #executeTemplate(text: string, values: unknown): unknown {
    const query = (name?: string): Promise<unknown> =>
      this.#send({ name, text, values, rowMode: 'array' }, undefined, true);
    const name = this.#hasSession ? this.#named.nameOf(text) : undefined;
    const result = query(name);
    if (name === undefined) return result;
    return result.catch((error: unknown) => {
      // A failed transaction accepts no further statement.
      if (this.getTransactionStatus() !== 'I' || !this.#named.shouldRetry(name, error)) throw error;
      return query();
    });
  }

  #executeWithoutSession(args: readonly unknown[]): unknown {
    const text = textOf(args);
    if (isBegin(text)) return this.#execute([withLocalSettings(text, this.#settings)]);
    const { statement_timeout: timeoutMs = 0, search_path: searchPath } = this.#settings;
    if (searchPath !== undefined && this.getTransactionStatus() === 'I') return this.#executeInTransaction(args);
    // In a transaction the server has the time limit.
    const isLimited = timeoutMs > 0 && this.getTransactionStatus() === 'I';
    const result = this.#execute(args);
    if (!isLimited || !(result instanceof Promise)) return result;
    const timeout = setTimeout(() => {
      cancelStatement(this, this.#config);
      void result.catch(() => undefined).finally(() => this.end().catch(() => undefined));
    }, timeoutMs);
    return result.finally(() => clearTimeout(timeout));
  }

  /** Executes a statement of a migration, whose names depend on the search path. */
  async #executeInTransaction(args: readonly unknown[]): Promise<unknown> {
    await this.#execute([withLocalSettings('begin', this.#settings)]);
    try {
      const result = await this.#execute(args);
      await this.#execute(['commit']);
      return result;
    } catch (error) {
      await (this.#execute(['rollback']) as Promise<unknown>).catch(() => undefined);
      throw error;
    }
  }

  /** @throws the error, unless a `begin` or `rollback` failed because the connection was lost */
  #failed(error: unknown, text: string): unknown {
    this.onFailure(error);
    if (databaseErrorKind(error) !== 'unavailable' && !isTransactionControl(text)) throw error;
    if (mayHaveChanged(text, this.getTransactionStatus()) && !wasNeverSent(error)) markOutcomeUnknown(error);
    this.#lossError = error;
    this.end().catch(() => undefined);
    return this.#resultAfterLoss([text]);
  }

  /**
   * Kysely 0.29 never releases a connection whose `begin` or `rollback` failed, so that each connection lost in a transaction
   * would shrink the pool. Both succeed instead: PostgreSQL has rolled back, and a begun transaction fails with its first statement.
   */
  #resultAfterLoss(args: readonly unknown[]): Promise<unknown> {
    if (isTransactionControl(textOf(args)))
      return Promise.resolve({ command: '', rowCount: 0, oid: 0, fields: [], rows: [] });
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- rethrows the caught value
    return Promise.reject(this.#lossError);
  }
}

/** Whether a statement is an object that pg drives, such as a cursor. */
const isSubmittable = (statement: unknown): boolean =>
  typeof statement === 'object' && statement !== null && 'submit' in statement;

const textOf = ([first]: readonly unknown[]): string => {
  const text = typeof first === 'object' && first !== null && 'text' in first ? first.text : first;
  return typeof text === 'string' ? text : '';
};

/** Whether a statement only begins or rolls back a transaction. */
const isTransactionControl = (text: string): boolean =>
  /^\s*(?:begin|start transaction|rollback)\s*(?:;|$|isolation|read)/i.test(text);

const isBegin = (text: string): boolean => /^\s*(?:begin|start transaction)\b/i.test(text);

/** Whether a statement commits, or changes data outside a transaction. */
function mayHaveChanged(text: string, status: string | null): boolean {
  if (/^\s*commit\b/i.test(text)) return status !== 'E';
  return (
    status === 'I' &&
    (/^\s*(?:insert|update|delete|merge)\b/i.test(text) ||
      /^\s*with\b.*\b(?:insert into|update|delete from|merge into)\b/is.test(text))
  );
}

/** Whether the driver rejected a statement without sending it. */
const wasNeverSent = (error: unknown): boolean => error instanceof Error && error.message.endsWith('not queryable');
