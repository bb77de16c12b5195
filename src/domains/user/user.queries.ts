import { sql } from 'kysely';
import { hashApiKey } from '../../auth/api-key.js';
import { endReasons } from '../../auth/credential-changes.js';
import { SCOPES, type AuthenticatedViewer, type Role, type Viewer } from '../../auth/viewer.js';
import { inOrder, pageKey, pageOf, pageValues, templatePage, type KeysetPage } from '../../database/keyset.js';
import { hasGivenId, queryBuilder, readTemplate } from '../../database/read-templates.js';
import { rowShapes, type RowShape } from '../../database/row-shapes.js';
import { rowColumns } from '../../database/rows.js';
import { owned } from '../../database/schema-names.js';
import type { Database } from '../../database/tables.js';
import { preparedCondition, where, type Condition } from '../../graphql/filtering/condition.js';
import type { Logger } from '../../telemetry/logger.js';
import { ApiKey } from './api-key.entity.js';
import { userColumns } from './user.columns.js';
import { User } from './user.entity.js';
import { SessionRecord } from './session.entity.js';
import {
  omittedFromApiKey,
  omittedFromSession,
  omittedFromUser,
  type ApiKeyRow,
  type SessionRow,
  type UserRow,
} from './user.types.js';

export const userRows = rowShapes<UserRow>(User, omittedFromUser);

const users = (row: RowShape<UserRow>) => queryBuilder.selectFrom('user_account').select(row.columns('user_account'));

/** Loads users by ID, in any order; unknown IDs are omitted. */
export async function usersById(
  db: Database,
  ids: readonly string[],
  row: RowShape<UserRow> = userRows.whole,
): Promise<UserRow[]> {
  const template = readTemplate(`users by id ${row.key}`, () => users(row).where(hasGivenId('user_account')), {
    hasStablePlan: true,
  });
  return (await template.execute(db, { ids })).map((values) => row.row(values));
}

/** Loads a page of users. @returns at most page.limit + 1 rows */
export async function userPage(
  db: Database,
  condition: Condition,
  page: KeysetPage,
  row: RowShape<UserRow> = userRows.whole,
): Promise<UserRow[]> {
  const filter = preparedCondition(userColumns, condition);
  const template = readTemplate(
    `users ${row.key} ${filter.key} ${pageKey(page)}`,
    () => pageOf(users(row).$call(where(filter)), templatePage(page)),
    filter,
  );
  const rows = await template.execute(db, { ...filter.values, ...pageValues(page) });
  return inOrder(
    rows.map((values) => row.row(values)),
    page,
  );
}

/** Counts the users that meet a condition. */
export async function countUsers(db: Database, condition: Condition): Promise<number> {
  const filter = preparedCondition(userColumns, condition);
  const template = readTemplate(
    `count of users ${filter.key}`,
    () =>
      queryBuilder
        .selectFrom('user_account')
        .select(sql<number>`count(*)::integer`.as('count'))
        .$call(where(filter)),
    filter,
  );
  const [row] = await template.execute(db, filter.values);
  return Number(row?.[0]);
}

/** Reads a user's current role; null if the account is deactivated or unknown. */
export async function activeRoleOf(db: Database, userId: string): Promise<Role | null> {
  const user = await db
    .selectFrom('user_account')
    .select('role')
    .where('id', '=', userId)
    .where('is_active', '=', true)
    .executeTakeFirst();
  return user?.role ?? null;
}

const apiKeyColumns = rowColumns(ApiKey, 'api_key', omittedFromApiKey);

/** Loads API keys by ID, in any order; unknown IDs are omitted. */
export function apiKeysById(db: Database, ids: readonly string[]): Promise<ApiKeyRow[]> {
  return db.selectFrom('api_key').select(apiKeyColumns).where('id', 'in', ids).execute();
}

const sessionColumns = rowColumns(SessionRecord, 'session', omittedFromSession);

/** Loads sessions by ID, in any order; unknown IDs are omitted. */
export function sessionsById(db: Database, ids: readonly string[]): Promise<SessionRow[]> {
  return db.selectFrom('session').select(sessionColumns).where('id', 'in', ids).execute();
}

/** Lists the sessions of users that have not expired, newest first. */
export function sessionsOfUsers(db: Database, userIds: readonly string[]): Promise<SessionRow[]> {
  return db
    .selectFrom('session')
    .select(sessionColumns)
    .where('user_id', 'in', userIds)
    .where('expires_at', '>', new Date())
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

/** Lists the API keys of users, newest first. */
export function apiKeysOfUsers(db: Database, userIds: readonly string[]): Promise<ApiKeyRow[]> {
  return db
    .selectFrom('api_key')
    .select(apiKeyColumns)
    .where('user_id', 'in', userIds)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

/** Resolution of `lastUsedAt`, so that frequent use does not cause a write per call. */
const lastUsedStepMs = 60_000;

/** Resolves the viewer of an API key; anonymous if the key is unknown or expired, or its owner is deactivated. */
export async function findViewerByApiKey(db: Database, log: Logger, secret: string): Promise<Viewer> {
  const hash = hashApiKey(secret);
  const found = hash
    ? await db
        .selectFrom('api_key')
        .innerJoin('user_account', 'user_account.id', 'api_key.user_id')
        .select([
          'api_key.id',
          'api_key.scopes',
          'api_key.last_used_at',
          'api_key.expires_at',
          'user_account.id as userId',
          'user_account.role',
          'user_account.employee_id as employeeId',
        ])
        .where('api_key.secret_hash', '=', hash)
        .where('user_account.is_active', '=', true)
        .where((where) =>
          where.or([where('api_key.expires_at', 'is', null), where('api_key.expires_at', '>', new Date())]),
        )
        .executeTakeFirst()
    : undefined;
  if (!found) return { kind: 'anonymous', reason: 'The API key is not valid, has expired or was revoked.' };
  const { id, userId, role, employeeId } = found;
  if (found.last_used_at === null || Date.now() - found.last_used_at.getTime() > lastUsedStepMs) {
    db.updateTable('api_key')
      .set({ last_used_at: new Date() })
      .where('id', '=', id)
      .execute()
      .catch((error: unknown) => log.warn({ err: error }, 'API key last-used update failed'));
  }
  const scopes = SCOPES.filter((scope) => found.scopes.includes(scope));
  return {
    kind: 'apiKey',
    userId,
    role,
    employeeId,
    credentialId: id,
    scopes,
    expiresAt: found.expires_at ?? undefined,
  };
}

/**
 * Checks in one statement whether the credentials of viewers are still valid: the session or key exists, and the account is
 * active with the same role and employee.
 * @returns the reason why a credential ended, or null, in the order of the viewers
 */
export async function credentialEndReasons(
  db: Database,
  viewers: readonly AuthenticatedViewer[],
): Promise<(string | null)[]> {
  const { rows } = await sql<EndedViewer>`
    select
      viewer.index::integer,
      account.is_active is not true as "isOff",
      case viewer.kind
        when 'session' then not exists (select from ${owned('session')} session where session.id = viewer.credential_id and session.user_id = viewer.user_id)
        when 'external' then not exists (
          select from ${owned('user_identity')} identity where identity.id = viewer.credential_id and identity.user_id = viewer.user_id
        )
        else not exists (
          select from ${owned('api_key')} api_key
          where api_key.id = viewer.credential_id and api_key.user_id = viewer.user_id and (api_key.expires_at is null or api_key.expires_at > now())
        )
      end as "isGone",
      (account.role::text, account.employee_id) is distinct from (viewer.role, viewer.employee_id) as "isOther"
    from unnest(
      ${viewers.map(({ kind }) => kind)}::text[],
      ${viewers.map(({ credentialId }) => credentialId)}::uuid[],
      ${viewers.map(({ userId }) => userId)}::uuid[],
      ${viewers.map(({ role }) => role)}::text[],
      ${viewers.map(({ employeeId }) => employeeId)}::uuid[]
    ) with ordinality as viewer (kind, credential_id, user_id, role, employee_id, index)
    left join ${owned('user_account')} account on account.id = viewer.user_id`.execute(db);
  const byIndex = new Map(rows.map((row) => [row.index - 1, row]));
  return viewers.map((viewer, index) => endReason(viewer, byIndex.get(index)));
}

interface EndedViewer {
  /** Counted from 1. */
  index: number;
  isOff: boolean;
  isGone: boolean;
  isOther: boolean;
}

function endReason({ kind }: AuthenticatedViewer, found: EndedViewer | undefined): string | null {
  if (!found || found.isOff) return endReasons.user;
  if (found.isGone) return endReasons[kind];
  return found.isOther ? endReasons.claims : null;
}
