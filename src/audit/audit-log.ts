import type { EventSubscriber, TransactionEventArgs } from '@mikro-orm/core';
import type { MikroORM, SqlEntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { newId } from '../database/base.entity.js';
import { execute } from '../database/execute.js';
import { owned } from '../database/schema-names.js';
import { withDatabaseTimeout } from '../database/table-follower.js';
import type { Logger } from '../telemetry/logger.js';
import { AuditOutcome, lineOf, recordOf, type AuditCaller, type AuditEvent, type AuditRecord } from './audit-event.js';
import { defaultFailureLimits, FailureBudget, type FailureLimits } from './failure-budget.js';

export interface AuditLogOptions {
  orm: Pick<MikroORM, 'em'>;
  log: Logger;
  failures?: FailureLimits;
}

/** Records an event of one caller in a transaction, as `AuditLog.record` does. */
export type RecordEvent = (transaction: SqlEntityManager, event: AuditEvent) => Promise<void>;

const insert = (record: AuditRecord) =>
  sql`insert into ${owned('audit_event')}
    select * from json_populate_record(null::${owned('audit_event')}, ${JSON.stringify(record)}::json)`;

/** Records who did what, in the table `audit_event` and as log lines. */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #budget: FailureBudget;
  readonly #summaries: NodeJS.Timeout;
  /** Events of open transactions, which are logged once they are committed. */
  readonly #uncommitted = new WeakMap<object, AuditRecord[]>();
  readonly #writing = new Set<Promise<void>>();

  constructor(options: AuditLogOptions) {
    this.#options = options;
    const limits = options.failures ?? defaultFailureLimits;
    this.#budget = new FailureBudget(limits);
    this.#summaries = setInterval(() => this.#summarize(), limits.windowMs).unref();
    const subscriber: EventSubscriber = { afterTransactionCommit: (args) => this.#committed(args) };
    options.orm.em.getEventManager().registerSubscriber(subscriber);
  }

  /**
   * Records a change in the transaction that makes it: neither exists without the other.
   * @throws Error outside a transaction; the database's error if the event cannot be stored
   */
  async record(transaction: SqlEntityManager, caller: AuditCaller, event: AuditEvent): Promise<void> {
    const open: object | undefined = transaction.getTransactionContext();
    if (!open) throw new Error(`Record ${event.action} in the transaction of the change.`);
    const record = recordOf(newId(), caller, event);
    await execute(transaction, insert(record));
    const records = this.#uncommitted.get(open) ?? [];
    records.push(record);
    this.#uncommitted.set(open, records);
  }

  /** Makes a change that belongs to no request, and records it unless it returns null; in one transaction. */
  async change(
    caller: AuditCaller,
    make: (transaction: SqlEntityManager) => Promise<AuditEvent | null>,
  ): Promise<void> {
    await this.#options.orm.em.fork().transactional(async (transaction) => {
      const event = await make(transaction);
      if (event) await this.record(transaction, caller, event);
    });
  }

  /** @returns a function that records changes of this caller */
  by(caller: AuditCaller): RecordEvent {
    return (transaction, event) => this.record(transaction, caller, event);
  }

  /**
   * Records an attempt that changed nothing: logs it at once and stores it in the background. Past the limits, attempts are stored
   * as one summary per network, so that nobody can fill the table. Never throws.
   */
  recordFailure(caller: AuditCaller, event: AuditEvent & { outcome: AuditOutcome }): void {
    const record = recordOf(newId(), caller, event);
    this.#write(record);
    if (this.#budget.admit({ ...event, address: caller.address })) this.#store(record);
  }

  /** Resolves once failures recorded before are stored. */
  async settled(): Promise<void> {
    await Promise.all(this.#writing);
  }

  /** Stores the summaries of the current window. */
  async close(): Promise<void> {
    clearInterval(this.#summaries);
    this.#summarize();
    await this.settled();
  }

  #committed(args: TransactionEventArgs): void {
    const committed = args.transaction as object | undefined;
    if (!committed) return;
    for (const record of this.#uncommitted.get(committed) ?? []) this.#write(record);
    this.#uncommitted.delete(committed);
  }

  #summarize(): void {
    for (const { action, outcome, network, count, since } of this.#budget.reset()) {
      const caller = { ...noCaller, address: network ?? '' };
      const record = recordOf(newId(), caller, { action, outcome, count, after: { since: since.toISOString() } });
      this.#write(record);
      this.#store(record);
    }
  }

  #store(record: AuditRecord): void {
    const { orm, log } = this.#options;
    const storing = withDatabaseTimeout(execute(orm.em.fork(), insert(record))).then(
      () => undefined,
      (error: unknown) => log.warn({ err: error, eventId: record.id }, 'audit event not stored'),
    );
    this.#writing.add(storing);
    void storing.then(() => this.#writing.delete(storing));
  }

  #write(record: AuditRecord): void {
    this.#options.log.info(lineOf(record), 'audit');
  }
}

const noCaller: AuditCaller = {
  viewer: { kind: 'anonymous' },
  address: '',
  client: { name: null, version: null },
  requestId: '',
};

/** The gateway itself, which no account stands for. */
export const gatewayCaller: AuditCaller = { ...noCaller, client: { name: 'auspex', version: null } };

/** The caller of an npm script, who has a shell and no account. */
export const scriptCaller = (script: string): AuditCaller => ({
  ...noCaller,
  client: { name: `npm run ${script}`, version: null },
});
