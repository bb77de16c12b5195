import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { newId } from '../../database/base.entity.js';
import { owned } from '../../database/schema-names.js';
import type { Database } from '../../database/tables.js';
import type { DocumentUse, UsageCounter } from '../../persisted-documents/usage.js';
import type { WriteQueue } from '../../graphql/module.js';
import type { Logger } from '../../telemetry/logger.js';

export interface UsageWriterOptions {
  db: Database;
  usage: UsageCounter;
  log: Logger;
  /** Milliseconds between writes. */
  everyMs?: number;
  /** Maximum number of stored rows. */
  maxRows?: number;
  /** New rows between purges. */
  purgeAfterRows?: number;
}

/** How long a shutdown waits for the last write, in milliseconds. */
const closeMs = 5_000;

/** Writes counted usage periodically, in one statement, and the rest at shutdown. */
export class UsageWriter implements WriteQueue {
  readonly name = 'document_usage';
  readonly #options: Required<UsageWriterOptions>;
  readonly #timer: NodeJS.Timeout;
  #writing: Promise<void> = Promise.resolve();
  #newRows: number;
  #isBehind = false;
  #lost = 0;

  constructor(options: UsageWriterOptions) {
    this.#options = { everyMs: 5_000, maxRows: 100_000, purgeAfterRows: 1_000, ...options };
    // Another process may have left too many.
    this.#newRows = this.#options.purgeAfterRows;
    this.#timer = setInterval(() => void this.write(), this.#options.everyMs).unref();
  }

  get length(): number {
    return this.#options.usage.size;
  }

  get lost(): number {
    return this.#lost;
  }

  /** Resolves when everything counted before the call is written, or the write failed. */
  write(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** Writes the rest; logs the number of uses that could not be written in time. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const done = new AbortController();
    await Promise.race([this.write(), sleep(closeMs, undefined, { signal: done.signal }).catch(() => undefined)]);
    done.abort();
    const lost = this.#options.usage.drain().reduce((sum, { count }) => sum + count, 0);
    this.#lost += lost;
    if (lost > 0) this.#options.log.error({ uses: lost }, 'document usage lost: database unavailable at shutdown');
  }

  async #write(): Promise<void> {
    const { db, usage, log, purgeAfterRows, maxRows } = this.#options;
    const uses = usage.drain();
    if (uses.length === 0) return;
    try {
      this.#newRows += await upsert(db, uses);
      this.#isBehind = false;
    } catch (error) {
      usage.restore(uses);
      if (!this.#isBehind) log.warn({ err: error }, 'document usage write failed; retrying');
      this.#isBehind = true;
      return;
    }
    if (this.#newRows < purgeAfterRows) return;
    try {
      await purge(db, maxRows);
      this.#newRows = 0;
    } catch (error) {
      log.warn({ err: error }, 'document usage purge failed; retrying');
    }
  }
}

/** Adds to the stored counts. @returns the number of new rows */
async function upsert(db: Database, uses: readonly DocumentUse[]): Promise<number> {
  // A fixed order prevents deadlocks between replicas.
  const rows = uses
    .map((use) => ({ ...use, id: newId(), client: storable(use.client), clientVersion: storable(use.clientVersion) }))
    .sort(
      (one, other) =>
        compare(one.hash, other.hash) ||
        compare(one.client, other.client) ||
        compare(one.clientVersion, other.clientVersion),
    );
  const { rows: written } = await sql<{ isNew: boolean }>`
    insert into ${owned('document_usage')} as known (id, hash, client, client_version, operation_name, is_trusted, count, refusable_count, first_used_at, last_used_at)
    select (array_agg(id))[1], hash, client, "clientVersion", max("operationName"), bool_or("isTrusted"), sum(count), sum("refusableCount"), min("firstUsedAt"), max("lastUsedAt")
    from json_to_recordset(${JSON.stringify(rows)}::json) as batch (
      id uuid, hash text, client text, "clientVersion" text, "operationName" text, "isTrusted" boolean, count bigint, "refusableCount" bigint,
      "firstUsedAt" timestamptz, "lastUsedAt" timestamptz
    )
    group by hash, client, "clientVersion"
    order by hash, client, "clientVersion"
    on conflict (hash, client, client_version) do update set
      count = known.count + excluded.count,
      refusable_count = known.refusable_count + excluded.refusable_count,
      operation_name = coalesce(excluded.operation_name, known.operation_name),
      is_trusted = excluded.is_trusted,
      first_used_at = least(known.first_used_at, excluded.first_used_at),
      last_used_at = greatest(known.last_used_at, excluded.last_used_at)
    returning xmax = 0 as "isNew"`.execute(db);
  return written.filter(({ isNew }) => isNew).length;
}

/** Deletes rows above the limit: untrusted ones first, least recently used first. */
async function purge(db: Database, maxRows: number): Promise<void> {
  await sql`
    delete from ${owned('document_usage')} where id in (
      select id from ${owned('document_usage')} order by is_trusted desc, last_used_at desc, id desc offset ${maxRows}
    )`.execute(db);
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** Makes text from a client header storable in PostgreSQL. */
const storable = (text: string): string => text.replaceAll('\0', '').toWellFormed().slice(0, 100);
