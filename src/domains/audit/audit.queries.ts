import { sql, type SelectQueryBuilder } from 'kysely';
import { inOrder, pageOf, type Keyset, type KeysetPage } from '../../database/keyset.js';
import { rowColumns } from '../../database/rows.js';
import type { Database, Tables } from '../../database/tables.js';
import { AuditEventRecord } from './audit-event.entity.js';
import type { AuditEventRow, AuditFilter } from './audit.types.js';

const columns = rowColumns(AuditEventRecord, 'audit_event');

/** The order of events: the newest first. */
export const auditOrder: Keyset = {
  column: 'audit_event.at',
  property: 'at',
  type: 'timestamptz',
  isDescending: true,
};

/** Loads events by ID, in any order; unknown IDs are omitted. */
export function auditEventsById(db: Database, ids: readonly string[]): Promise<AuditEventRow[]> {
  return db.selectFrom('audit_event').select(columns).where('id', 'in', ids).execute();
}

/** Loads a page of events. @returns at most page.limit + 1 rows */
export async function auditPage(db: Database, filter: AuditFilter, page: KeysetPage): Promise<AuditEventRow[]> {
  return inOrder(await pageOf(filtered(db, filter).select(columns), page).execute(), page);
}

/** Counts events. */
export async function countAuditEvents(db: Database, filter: AuditFilter): Promise<number> {
  const { count } = await filtered(db, filter)
    .select(sql<number>`count(*)::integer`.as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

/** @param filter with the stored ID of the actor */
function filtered(db: Database, filter: AuditFilter): SelectQueryBuilder<Tables, 'audit_event', object> {
  const { actorId, action, target, outcome, since, until } = filter;
  let query: SelectQueryBuilder<Tables, 'audit_event', object> = db.selectFrom('audit_event');
  if (actorId != null) query = query.where('audit_event.actor_id', '=', actorId);
  if (action != null) query = query.where('audit_event.action', '=', action);
  if (target != null) query = query.where('audit_event.target', '=', target.replaceAll('\0', ''));
  if (outcome != null) query = query.where('audit_event.outcome', '=', outcome);
  if (since != null) query = query.where('audit_event.at', '>=', since);
  if (until != null) query = query.where('audit_event.at', '<', until);
  return query;
}
