import { sql } from 'kysely';
import { owned } from '../../../database/schema-names.js';
import type { Database } from '../../../database/tables.js';
import type { LoaderKind } from '../../../graphql/context/loader-kind.js';
import type { MfaState } from './mfa.types.js';

/** Ends the sessions of users whose role requires MFA that they have not set up. */
export async function endSessionsWithoutMfa(db: Database, requiredRoles: readonly string[]): Promise<void> {
  if (requiredRoles.length === 0) return;
  await sql`
    delete from ${owned('session')} session using ${owned('user_account')} u
    where u.id = session.user_id and u.role::text = any(${requiredRoles})
      and not exists (select from ${owned('totp_factor')} t where t.user_id = u.id and t.secret is not null)`.execute(
    db,
  );
}

/** The MFA of a user; null if it is not set up. */
export const mfaByUser: LoaderKind<string, MfaState | null> = {
  name: 'mfaByUser',
  batch: (db) => async (userIds) => {
    const rows = await db
      .selectFrom('totp_factor')
      .select((column) => [
        'user_id',
        'enabled_at',
        column
          .selectFrom('recovery_code')
          .whereRef('recovery_code.user_id', '=', 'totp_factor.user_id')
          .select(sql<number>`count(*)::integer`.as('count'))
          .as('remaining'),
      ])
      .where('user_id', 'in', userIds)
      .where('secret', 'is not', null)
      .execute();
    const states = new Map(
      rows.map(({ user_id, enabled_at, remaining }) => [
        user_id,
        enabled_at && { enabledAt: enabled_at, recoveryCodesRemaining: remaining ?? 0 },
      ]),
    );
    return userIds.map((id) => states.get(id) ?? null);
  },
};
