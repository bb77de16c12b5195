import { SCOPES, type Viewer } from '../../../auth/viewer.js';
import type { Database } from '../../../database/tables.js';

/** What a verified access token of an identity provider identifies. */
interface TokenIdentity {
  issuer: string;
  subject: string;
  scopes: readonly string[];
  expiresAt: Date;
}

/** Resolves the viewer of an identity, with the account as it is now; anonymous if no active account is linked to it. */
export async function findViewerByIdentity(
  db: Database,
  { issuer, subject, scopes, expiresAt }: TokenIdentity,
): Promise<Viewer> {
  const found = await db
    .selectFrom('user_identity')
    .innerJoin('user_account', 'user_account.id', 'user_identity.user_id')
    .select([
      'user_identity.id',
      'user_account.id as userId',
      'user_account.role',
      'user_account.employee_id as employeeId',
    ])
    .where('user_identity.issuer', '=', issuer)
    .where('user_identity.subject', '=', subject)
    .where('user_account.is_active', '=', true)
    .executeTakeFirst();
  if (!found) return { kind: 'anonymous', reason: 'No active account is linked to the subject of the access token.' };
  const { id: credentialId, userId, role, employeeId } = found;
  const granted = SCOPES.filter((scope) => scopes.includes(scope));
  return { kind: 'external', userId, role, employeeId, credentialId, scopes: granted, expiresAt };
}
