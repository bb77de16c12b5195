import { newId } from '../../src/database/base.entity.js';
import type { Database } from '../../src/database/tables.js';

/** Opens a session of a user who has just signed in. Later sign-ins do not end it: it is the newest. @returns its id */
export async function addSession(db: Database, userId: string, id = newId()): Promise<string> {
  const now = Date.now();
  await db
    .insertInto('session')
    .values({
      id,
      user_id: userId,
      refresh_token_hash: id,
      previous_token_hash: null,
      expires_at: new Date(now + 86_400_000),
      authenticated_at: new Date(now),
      client: null,
      address: null,
      created_at: new Date(now + 3_600_000),
      updated_at: new Date(now),
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  return id;
}
