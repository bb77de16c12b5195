import { hash } from 'node:crypto';
import { sql } from 'kysely';
import { owned } from '../database/schema-names.js';
import type { Database } from '../database/tables.js';

/** The last link of the chain: `position:hash`. Noted elsewhere, it proves later that nothing before it was changed. */
export interface ChainHead {
  position: number;
  hash: string;
}

/** The first link that does not fit. */
interface BrokenLink {
  position: number;
  eventId: string | null;
  problem: string;
}

/** What a verification found. */
export type ChainReport =
  { isIntact: true; events: number; first: number; head: ChainHead | null } | { isIntact: false; broken: BrokenLink };

/** A link and the columns of its event as text, in the order in which they are hashed. */
interface LinkRow {
  position: string;
  eventId: string;
  hash: string;
  /** Null if the event is gone. */
  parts: (string | null)[] | null;
}

const batchSize = 1_000;

/**
 * Verifies the chain from the last cut of the retention to its end, in one snapshot: every link has its event, every hash fits, no
 * link and no event is missing.
 * @param expected a head that was noted earlier and must still be part of the chain
 */
export async function verifyChain(db: Database, expected: ChainHead | null = null): Promise<ChainReport> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (snapshot) => {
      const cut = await lastCut(snapshot);
      const broken = await firstBroken(snapshot, cut, expected);
      if ('problem' in broken) return { isIntact: false, broken };
      const { events, head } = broken;
      return { isIntact: true, events, first: cut.position + 1, head };
    });
}

/** Where the last retention cut the chain, as its event says; before the first link if there was none. */
async function lastCut(db: Database): Promise<ChainHead> {
  const { rows } = await sql<ChainHead>`
    select (event.after->>'position')::double precision as position, event.after->>'hash' as hash
    from ${owned('audit_event')} event join ${owned('audit_chain')} link on link.event_id = event.id
    where event.action = 'RETENTION' order by link.position desc limit 1`.execute(db);
  return rows[0] ?? { position: 0, hash: '' };
}

async function firstBroken(
  db: Database,
  cut: ChainHead,
  expected: ChainHead | null,
): Promise<BrokenLink | { events: number; head: ChainHead | null }> {
  let last = cut;
  let events = 0;
  let isFound = expected === null;
  for (let rows = await linksAfter(db, -1); rows.length > 0; rows = await linksAfter(db, last.position)) {
    for (const row of rows) {
      const problem = problemOf(row, last);
      const position = Number(row.position);
      if (problem !== null) return { position: last.position + 1, eventId: row.eventId, problem };
      last = { position, hash: row.hash };
      events += 1;
      if (expected?.position === position) {
        if (expected.hash !== row.hash)
          return { position, eventId: row.eventId, problem: 'has another hash than the expected head' };
        isFound = true;
      }
    }
  }
  const unlinked = await unlinkedEvent(db);
  if (unlinked !== null)
    return { position: last.position + 1, eventId: unlinked, problem: 'is missing, and its event is in the table' };
  if (!isFound)
    return {
      position: expected?.position ?? 0,
      eventId: null,
      problem: 'is missing, although it is the expected head',
    };
  return { events, head: events === 0 ? null : last };
}

/** @returns what is wrong with the link that follows `last`, or null */
function problemOf({ position, hash: stored, parts }: LinkRow, last: ChainHead): string | null {
  const expected = last.position + 1;
  if (Number(position) > expected) return `is missing; the next link is ${position}`;
  if (Number(position) < expected) return `is the first after the retention, but link ${position} is still there`;
  if (parts === null) return 'has lost its event';
  return hashOf(last.hash, position, parts) === stored
    ? null
    : 'differs from its hash: the event or the link was changed';
}

/** The same hash as that of the trigger, `auspex_audit_hash`: SHA-256 of netstrings. */
const hashOf = (previous: string, position: string, parts: readonly (string | null)[]): string =>
  hash(
    'sha256',
    [previous, position, ...parts]
      .map((part) => (part === null ? '-' : `${Buffer.byteLength(part)}:${part}`))
      .join(','),
  );

async function linksAfter(db: Database, position: number): Promise<LinkRow[]> {
  const { rows } = await sql<LinkRow>`
    select link.position::text, link.event_id as "eventId", link.hash, case when event.id is not null then array[
      event.id::text, to_char(event.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      event.action, event.outcome, event.code, event.count::text, event.actor_id::text, event.account,
      event.credential_kind, event.credential_id::text, event.address, event.client, event.target,
      event.before::text, event.after::text, event.request_id
    ] end as parts
    from ${owned('audit_chain')} link left join ${owned('audit_event')} event on event.id = link.event_id
    where link.position > ${position} order by link.position limit ${batchSize}`.execute(db);
  return rows;
}

/** An event that no link has; null if there is none. */
async function unlinkedEvent(db: Database): Promise<string | null> {
  const { rows } = await sql<{ id: string }>`
    select id from ${owned('audit_event')} event where not exists (select from ${owned('audit_chain')} where event_id = event.id)
    order by at limit 1`.execute(db);
  return rows[0]?.id ?? null;
}
