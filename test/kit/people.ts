import { sql } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { Role } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/id.js';
import type { TestGateway } from './gateway.js';

/** An account of a test's own. Nobody knows its password. */
export interface Person {
  /** As the database has it. */
  uuid: string;
  /** As callers see it. */
  id: string;
  email: string;
  /** An access token, as a session of the account would hold it. */
  token: string;
}

let made = 0;

export async function addPerson(gateway: TestGateway, role = Role.USER): Promise<Person> {
  const uuid = newId();
  const email = `person${(made += 1)}@example.org`;
  const times = { created_at: new Date(), updated_at: new Date() };
  await gateway.db.insertInto('user_account').values({ id: uuid, email, password_hash: 'none', role, is_active: true, employee_id: null, ...times }).execute();
  const { token } = gateway.tokens.sign({ userId: uuid, role, employeeId: null, sessionId: newId() });
  return { uuid, id: encodeId('user', uuid), email, token };
}

/** Holds a row until `count` statements wait for it, so that calls that come at once surely meet. */
export async function meeting<Result>(
  { db }: TestGateway,
  table: 'session' | 'user_account',
  id: string,
  count: number,
  calls: () => Promise<Result>[],
): Promise<Result[]> {
  const waiting = sql<{ count: number }>`select count(*)::integer as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  const { asked } = await db.transaction().execute(async (holder) => {
    await holder.selectFrom(table).select('id').where('id', '=', id).forUpdate().execute();
    const promises = calls();
    for (let look = 0; look < 400 && ((await waiting.execute(db)).rows[0]?.count ?? 0) < count; look++) await sleep(10);
    return { asked: promises };
  });
  return Promise.all(asked);
}
