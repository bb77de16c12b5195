import { sql } from 'kysely';
import { hashApiKey } from '../../auth/api-key.js';
import { SCOPES, type KnownViewer, type Role, type Viewer } from '../../auth/viewer.js';
import { inOrder, pageOf, type Keyset, type KeysetPage } from '../../database/keyset.js';
import type { Database } from '../../database/tables.js';
import type { Logger } from '../../shared/logger.js';
import type { ApiKeyRow, UserRow } from './user.types.js';

const columns = [
  'user_account.id',
  'user_account.email',
  'user_account.role',
  'user_account.is_active as isActive',
  'user_account.employee_id as employeeId',
  'user_account.created_at as createdAt',
] as const;

/** The order of users: the oldest account first. */
export const userOrder: Keyset = { column: 'user_account.created_at', property: 'createdAt', type: 'timestamptz', isDescending: false };

/** Users by id, in any order; unknown ids are left out. */
export function usersById(db: Database, ids: readonly string[]): Promise<UserRow[]> {
  return db.selectFrom('user_account').select(columns).where('id', 'in', ids).execute();
}

/** One page of all users. */
export async function userPage(db: Database, page: KeysetPage): Promise<UserRow[]> {
  return inOrder(await pageOf(db.selectFrom('user_account').select(columns), page).execute(), page);
}

/** How many users there are. */
export async function countUsers(db: Database): Promise<number> {
  const { count } = await db.selectFrom('user_account').select(sql<number>`count(*)::integer`.as('count')).executeTakeFirstOrThrow();
  return count;
}

/** The role that a user has as of now; null where the account is switched off or unknown. */
export async function activeRoleOf(db: Database, userId: string): Promise<Role | null> {
  const user = await db.selectFrom('user_account').select('role').where('id', '=', userId).where('is_active', '=', true).executeTakeFirst();
  return user?.role ?? null;
}

/** The API keys of a user, the newest first. */
export function apiKeysOf(db: Database, userId: string): Promise<ApiKeyRow[]> {
  return db
    .selectFrom('api_key')
    .select(['id', 'name', 'prefix', 'scopes', 'last_used_at as lastUsedAt', 'expires_at as expiresAt', 'created_at as createdAt'])
    .where('user_id', '=', userId)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

/** `lastUsedAt` is kept to the minute: a busy key is not written at each call. */
const lastUsedStepMs = 60_000;

/** Whose API key it is: its owner as of now, as long as the owner is active and the key has not expired. */
export async function findViewerByApiKey(db: Database, log: Logger, secret: string): Promise<Viewer> {
  const hash = hashApiKey(secret);
  const found = hash
    ? await db
        .selectFrom('api_key')
        .innerJoin('user_account', 'user_account.id', 'api_key.user_id')
        .select(['api_key.id', 'api_key.scopes', 'api_key.last_used_at', 'api_key.expires_at', 'user_account.id as userId', 'user_account.role', 'user_account.employee_id as employeeId'])
        .where('api_key.secret_hash', '=', hash)
        .where('user_account.is_active', '=', true)
        .where((where) => where.or([where('api_key.expires_at', 'is', null), where('api_key.expires_at', '>', new Date())]))
        .executeTakeFirst()
    : undefined;
  if (!found) return { kind: 'stranger', reason: 'The API key is not valid, has expired or was revoked.' };
  const { id, userId, role, employeeId } = found;
  if (found.last_used_at === null || Date.now() - found.last_used_at.getTime() > lastUsedStepMs) {
    db.updateTable('api_key')
      .set({ last_used_at: new Date() })
      .where('id', '=', id)
      .execute()
      .catch((error: unknown) => log.warn({ err: error }, 'the use of an API key was not noted'));
  }
  const scopes = SCOPES.filter((scope) => found.scopes.includes(scope));
  return { kind: 'apiKey', userId, role, employeeId, credentialId: id, scopes, expiresAt: found.expires_at ?? undefined };
}

/**
 * Why each viewer is no longer who it was when it came, in their order; null where it is: its session or key is there, and its
 * account is active, with the same role and the same employee. One statement.
 */
export async function whyViewersEnded(db: Database, viewers: readonly KnownViewer[]): Promise<(string | null)[]> {
  const { rows } = await sql<EndedViewer>`
    select
      asked.index::integer,
      account.is_active is not true as "isOff",
      case asked.kind
        when 'session' then not exists (select from session where session.id = asked.credential_id and session.user_id = asked.user_id)
        else not exists (
          select from api_key
          where api_key.id = asked.credential_id and api_key.user_id = asked.user_id and (api_key.expires_at is null or api_key.expires_at > now())
        )
      end as "isGone",
      (account.role::text, account.employee_id) is distinct from (asked.role, asked.employee_id) as "isOther"
    from unnest(
      ${viewers.map(({ kind }) => kind)}::text[],
      ${viewers.map(({ credentialId }) => credentialId)}::uuid[],
      ${viewers.map(({ userId }) => userId)}::uuid[],
      ${viewers.map(({ role }) => role)}::text[],
      ${viewers.map(({ employeeId }) => employeeId)}::uuid[]
    ) with ordinality as asked (kind, credential_id, user_id, role, employee_id, index)
    left join user_account account on account.id = asked.user_id`.execute(db);
  const byIndex = new Map(rows.map((row) => [row.index - 1, row]));
  return viewers.map((viewer, index) => whyEnded(viewer, byIndex.get(index)));
}

interface EndedViewer {
  /** Counted from 1. */
  index: number;
  isOff: boolean;
  isGone: boolean;
  isOther: boolean;
}

function whyEnded({ kind }: KnownViewer, found: EndedViewer | undefined): string | null {
  if (!found || found.isOff) return 'The account is switched off.';
  if (found.isGone) return kind === 'session' ? 'The session has ended; sign in again.' : 'The API key has expired or was revoked.';
  return found.isOther ? 'Your role or employee has changed; refresh the session.' : null;
}
