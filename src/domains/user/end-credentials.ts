import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { AccountToken } from './account-token.entity.js';
import { ApiKey } from './api-key.entity.js';
import { SessionRecord } from './session.entity.js';

/** Ends all sessions and links of a user, and the API keys unless declined. @returns the number of sessions and keys */
export async function endCredentials(
  transaction: SqlEntityManager,
  userId: string,
  { revokesApiKeys = true }: { revokesApiKeys?: boolean } = {},
): Promise<{ endedSessions: number; revokedApiKeys: number }> {
  await transaction.nativeDelete(AccountToken, { userId });
  return {
    endedSessions: await transaction.nativeDelete(SessionRecord, { userId }),
    revokedApiKeys: revokesApiKeys ? await transaction.nativeDelete(ApiKey, { userId }) : 0,
  };
}
