import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { hashToken, randomToken } from '../../auth/token.js';
import { execute } from '../../database/execute.js';
import { owned } from '../../database/schema-names.js';
import type { AccountLink } from './account-mails.js';
import { AccountToken, LinkPurpose } from './account-token.entity.js';

/** How long a link works, by purpose. */
export const linkTtlSeconds: Record<LinkPurpose, number> = {
  [LinkPurpose.INVITATION]: 7 * 86_400,
  [LinkPurpose.RESET]: 3_600,
  [LinkPurpose.REGISTRATION]: 86_400,
};

/** Links of one address that work at a time; a new one ends the oldest. */
const maxLinksPerAddress = 5;

/** Expired links that are deleted with each new one. */
const cleanedLinks = 100;

/** What a link is for. */
interface LinkRequest {
  purpose: LinkPurpose;
  email: string;
  /** Null if the account does not exist yet. */
  userId: string | null;
  /** By default the one of the purpose. */
  ttlSeconds?: number;
}

/** Creates a link. Its token is in the fragment, which browsers do not send: it appears in no log and no `Referer`. */
export async function createLink(
  em: SqlEntityManager,
  publicUrl: string,
  { purpose, email, userId, ttlSeconds = linkTtlSeconds[purpose] }: LinkRequest,
): Promise<AccountLink> {
  const token = randomToken();
  const expiresAt = new Date(Date.now() + ttlSeconds * 1000);
  await em.transactional(async (transaction) => {
    transaction.create(AccountToken, { tokenHash: hashToken(token), purpose, userId, email, expiresAt });
    await transaction.flush();
    await execute(
      transaction,
      sql`delete from ${owned('account_token')} where email = ${email} and id not in (
        select id from ${owned('account_token')} where email = ${email} order by created_at desc, id desc limit ${maxLinksPerAddress})`,
    );
    await execute(
      transaction,
      sql`delete from ${owned('account_token')} where id in (
        select id from ${owned('account_token')} where expires_at < now() order by expires_at limit ${cleanedLinks} for update skip locked)`,
    );
  });
  return { purpose, email, expiresAt, url: `${publicUrl}/account#token=${token}` };
}

/** The link of a token; null if it does not exist, was used or has expired. */
export const findLink = (em: SqlEntityManager, token: string): Promise<AccountToken | null> =>
  em.findOne(AccountToken, { tokenHash: hashToken(token), expiresAt: { $gt: new Date() } });

/**
 * Uses a link up, with all others of its address. Call it in the transaction of what the link allows.
 * @returns false if it was used meanwhile
 */
export async function useLink(transaction: SqlEntityManager, { id, email }: AccountToken): Promise<boolean> {
  const used = await transaction.nativeDelete(AccountToken, { id, expiresAt: { $gt: new Date() } });
  if (used === 0) return false;
  await transaction.nativeDelete(AccountToken, { email });
  return true;
}
