import { sql } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApiKeySecret } from '../../src/auth/api-key.js';
import { Role, SCOPES } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import type { TestGateway } from './gateway.js';
import { addSession } from './session.js';

/** A user account of one test. It has no password. */
export interface Person {
  /** The id in the database. */
  uuid: string;
  /** The global id in the API. */
  id: string;
  email: string;
  /** A valid access token. */
  token: string;
}

let personCount = 0;

export async function addPerson(gateway: TestGateway, role = Role.USER): Promise<Person> {
  const uuid = newId();
  const email = `person${(personCount += 1)}@example.org`;
  const times = { created_at: new Date(), updated_at: new Date() };
  await gateway.db
    .insertInto('user_account')
    .values({ id: uuid, email, password_hash: 'none', role, is_active: true, employee_id: null, ...times })
    .execute();
  const { token } = gateway.tokens.sign({
    userId: uuid,
    role,
    employeeId: null,
    sessionId: await addSession(gateway.db, uuid),
  });
  return { uuid, id: encodeId('user', uuid), email, token };
}

/** Changes the role of a person as an administrator. The gateway rejects earlier tokens of the person from now on. */
export async function setRole(gateway: TestGateway, { id }: Person, role: Role): Promise<void> {
  const { errors } = await gateway.execute(
    'admin',
    'mutation ($id: ID!, $role: Role!) { setUserRole(userId: $id, role: $role) { id } }',
    { id, role },
  );
  if (errors.length > 0) throw new Error(`The role was not changed: ${errors[0]?.message ?? ''}`);
}

/** Links a person to an employee. @returns the person with a token that says so; the earlier one is rejected */
export async function withEmployee(
  gateway: TestGateway,
  person: Person,
  role: Role,
  employeeId: string,
): Promise<Person> {
  await gateway.db.updateTable('user_account').set({ employee_id: employeeId }).where('id', '=', person.uuid).execute();
  const sessionId = await addSession(gateway.db, person.uuid);
  return { ...person, token: gateway.tokens.sign({ userId: person.uuid, role, employeeId, sessionId }).token };
}

/** Locks a row until `count` statements wait for it, so that concurrent calls contend for it in every run. */
export async function contendForRow<Result>(
  { db }: TestGateway,
  table: 'session' | 'user_account',
  id: string,
  count: number,
  calls: () => Promise<Result>[],
): Promise<Result[]> {
  const waiting = sql<{
    count: number;
  }>`select count(*)::integer as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  const { pending } = await db.transaction().execute(async (holder) => {
    await holder.selectFrom(table).select('id').where('id', '=', id).forUpdate().execute();
    const pending = calls();
    for (let look = 0; look < 400 && ((await waiting.execute(db)).rows[0]?.count ?? 0) < count; look++) await sleep(10);
    return { pending };
  });
  return Promise.all(pending);
}

/** Adds an API key that is valid for a day. @returns its secret */
export async function addApiKey(
  { db }: Pick<TestGateway, 'db'>,
  userId: string,
  scopes: readonly string[] = SCOPES,
): Promise<string> {
  const { secret, prefix, hash } = createApiKeySecret();
  const now = new Date();
  const values = {
    id: newId(),
    user_id: userId,
    name: 'a key',
    prefix,
    secret_hash: hash,
    scopes: [...scopes],
    last_used_at: now,
    expires_at: new Date(now.getTime() + 86_400_000),
    created_at: now,
    updated_at: now,
  };
  await db.insertInto('api_key').values(values).execute();
  return secret;
}
