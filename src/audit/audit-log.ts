import { TypeID } from 'typeid-js';
import type { EventSubscriber, TransactionEventArgs } from '@mikro-orm/core';
import type { MikroORM, SqlEntityManager } from '@mikro-orm/postgresql';
import { newId } from '../database/base.entity.js';
import type { Logger } from '../telemetry/logger.js';
import { recordOf, type AuditCaller, type AuditEvent, type AuditRecord } from './audit-event.js';

const insert = 'insert into audit_event select * from json_populate_record(null::audit_event, ?::json)';

/** Records who did what, in the table `audit_event` and as log lines. */
export class AuditLog {
  readonly #log: Logger;
  /** Events of open transactions, which are logged once they are committed. */
  readonly #uncommitted = new WeakMap<object, AuditRecord[]>();

  constructor({ orm, log }: { orm: Pick<MikroORM, 'em'>; log: Logger }) {
    this.#log = log;
    const subscriber: EventSubscriber = {
      afterTransactionCommit: (args: TransactionEventArgs) => this.#committed(args),
    };
    orm.em.getEventManager().registerSubscriber(subscriber);
  }

  /**
   * Records a change in the transaction that makes it: neither exists without the other.
   * @throws Error outside a transaction; the database's error if the event cannot be stored
   */
  async record(transaction: SqlEntityManager, caller: AuditCaller, event: AuditEvent): Promise<void> {
    const open: object | undefined = transaction.getTransactionContext();
    if (!open) throw new Error(`Record ${event.action} in the transaction of the change.`);
    const record = recordOf(newId(), caller, event);
    await transaction.execute(insert, [JSON.stringify(record)]);
    const records = this.#uncommitted.get(open) ?? [];
    records.push(record);
    this.#uncommitted.set(open, records);
  }

  #committed(args: TransactionEventArgs): void {
    const committed = args.transaction as object | undefined;
    if (!committed) return;
    for (const record of this.#uncommitted.get(committed) ?? []) this.#write(record);
    this.#uncommitted.delete(committed);
  }

  #write(record: AuditRecord): void {
    this.#log.info(lineOf(record), 'audit');
  }
}

const prefixes = { session: 'session', apiKey: 'apikey', external: 'identity' } as const;

/** The fields of a log line: those of the event that have a value, in the style of other lines. */
const lineOf = (record: AuditRecord): Record<string, unknown> => ({
  eventId: record.id,
  action: record.action,
  outcome: record.outcome,
  ...(record.code === null ? {} : { code: record.code }),
  ...(record.count === 1 ? {} : { count: record.count }),
  actor: record.actor_id && TypeID.fromUUID('user', record.actor_id).toString(),
  ...(record.account === null ? {} : { account: record.account }),
  credential:
    record.credential_id &&
    TypeID.fromUUID(prefixes[record.credential_kind ?? 'session'], record.credential_id).toString(),
  address: record.address,
  client: record.client,
  target: record.target,
  before: record.before,
  after: record.after,
  requestId: record.request_id,
});
