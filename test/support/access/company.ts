import { getNamedType, isObjectType } from 'graphql';
import { sql } from 'kysely';
import { Role, SCOPES } from '../../../src/auth/viewer.js';
import { newId } from '../../../src/database/base.entity.js';
import { startGateway, type AnyData, type Caller, type TestGateway } from '../gateway.js';
import { addApiKey, addPerson, withEmployee } from '../people.js';
import { addSession } from '../session.js';
import { callOf, document, idSelection, nodeTypes, rootFields } from './schema.js';

/** The columns of schema/access.yaml. API keys belong to an ADMIN, so that only their scope limits them. */
export const callerNames = [
  'anonymous',
  'USER',
  'MANAGER',
  'ADMIN',
  ...SCOPES.map((scope) => `key ${scope}` as const),
] as const;
export type CallerName = (typeof callerNames)[number];

/** A gateway with objects of every type, and its callers. */
export interface Company {
  gateway: TestGateway;
  callers: Record<CallerName, Caller>;
  /** A signed-in USER and MANAGER, and an API key of the USER, that own nothing and manage no one. */
  outsiders: Record<string, Caller>;
  /** Global IDs of existing objects, by type. */
  ids: ReadonlyMap<string, readonly string[]>;
  /** Valid rows for each model, by the name of its typed field. */
  rows: ReadonlyMap<string, object>;
}

/** Without the limits of a query: one selects everything. */
const limits = {
  MAX_QUERY_ALIASES: '10000',
  MAX_QUERY_COST: '10000000',
  MAX_QUERY_FIELDS: '100000',
  MAX_QUERY_TOKENS: '100000',
  MAX_QUERY_DEPTH: '100',
};

export async function openCompany(): Promise<Company> {
  const gateway = await startGateway({
    ...limits,
    MAX_LOGINS_PER_ADDRESS: '1000000',
    MAX_REGISTRATIONS_PER_ADDRESS: '1000000',
  });
  try {
    return await filledCompany(gateway);
  } catch (error) {
    await gateway.close();
    throw error;
  }
}

async function filledCompany(gateway: TestGateway): Promise<Company> {
  const admin = await userOf(gateway, 'admin');
  const keyed = async (userId: string, scopes: readonly string[]): Promise<Caller> => ({
    apiKey: await addApiKey(gateway, userId, scopes),
  });
  const keys = await Promise.all(SCOPES.map(async (scope) => [`key ${scope}`, await keyed(admin, [scope])] as const));
  const callers = {
    anonymous: null,
    USER: 'user',
    MANAGER: 'manager',
    ADMIN: 'admin',
    ...Object.fromEntries(keys),
  } as Record<CallerName, Caller>;
  for (const name of ['user', 'manager'] as const) await addApiKey(gateway, await userOf(gateway, name), ['predict']);
  await addObjects(gateway);
  const rows = await exampleRows(gateway);
  const ids = await collectIds(gateway);
  return { gateway, callers, outsiders: await addOutsiders(gateway), ids, rows };
}

const userOf = async ({ db }: TestGateway, name: string): Promise<string> =>
  (
    await db
      .selectFrom('user_account')
      .select('id')
      .where('email', '=', `${name}@example.com`)
      .executeTakeFirstOrThrow()
  ).id;

/** Predictions and MFA of each account, a promoted version, published documents and their usage. */
async function addObjects(gateway: TestGateway): Promise<void> {
  const predict =
    'query { predict(model: "iris", inputs: [{ sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 }]) { id } }';
  for (const caller of ['user', 'manager', 'admin'] as const) await succeed(gateway, caller, predict);
  // Recorded in the audit log.
  await gateway.signIn('user');
  await gateway.db.updateTable('session').set({ client: 'a browser', address: '192.0.2.1' }).execute();
  await sql`insert into totp_factor (user_id, secret, enabled_at) select id, 'encrypted', now() from user_account`.execute(
    gateway.db,
  );
  await succeed(gateway, 'admin', 'mutation { promoteModel(name: "iris", version: 1) { name } }');
  const manifest = { a: 'query Names { me { id } }' };
  await succeed(
    gateway,
    'admin',
    'mutation ($manifest: JSONObject!) { publishDocuments(client: "web", version: "1", manifest: $manifest) { id } }',
    { manifest },
  );
  await sql`insert into document_usage (id, hash, client, client_version, operation_name, is_trusted, count, refusable_count, first_used_at, last_used_at)
    select ${newId()}, hash, 'web', '1', 'Names', true, 1, 0, now(), now() from published_document limit 1`.execute(
    gateway.db,
  );
}

async function succeed(gateway: TestGateway, caller: Caller, text: string, variables = {}): Promise<AnyData> {
  const { data, errors } = await gateway.execute<AnyData>(caller, text, variables);
  if (errors.length > 0) throw new Error(`${text}: ${errors[0]?.message ?? ''}`);
  return data;
}

async function exampleRows(gateway: TestGateway): Promise<Map<string, object>> {
  const { models } = await succeed(gateway, 'admin', '{ models { name current { exampleInput } } }');
  return new Map(
    models.map(({ name, current }: AnyData) => [
      `predict${String(name)
        .split('-')
        .map((word) => `${word[0]?.toUpperCase() ?? ''}${word.slice(1)}`)
        .join('')}`,
      current.exampleInput,
    ]),
  );
}

async function addOutsiders(gateway: TestGateway): Promise<Record<string, Caller>> {
  const user = await addPerson(gateway);
  const person = await addPerson(gateway, Role.MANAGER);
  // An employee without reports.
  const { id } = await gateway.db
    .selectFrom('employee as one')
    .select('one.id')
    .leftJoin('employee as report', 'report.manager_id', 'one.id')
    .leftJoin('user_account', 'user_account.employee_id', 'one.id')
    .where('report.id', 'is', null)
    .where('user_account.id', 'is', null)
    .orderBy('one.id')
    .limit(1)
    .executeTakeFirstOrThrow();
  const manager = await withEmployee(gateway, person, Role.MANAGER, id);
  return {
    anonymous: null,
    USER: { token: user.token },
    MANAGER: { token: manager.token },
    'API key of a USER': { apiKey: await addApiKey(gateway, user.uuid, SCOPES) },
  };
}

/** The IDs that an ADMIN finds by every query without required arguments. */
async function collectIds(gateway: TestGateway): Promise<Map<string, string[]>> {
  const ids = new Map<string, string[]>();
  const visit = (value: AnyData): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (value !== null && typeof value === 'object') {
      const { __typename: type, id } = value;
      const known = ids.get(type) ?? [];
      if (typeof id === 'string' && !known.includes(id)) ids.set(type, [...known, id]);
      Object.values(value).forEach(visit);
    }
  };
  // Their own records come first: only the first objects of a type are read.
  for (const caller of ['user', 'manager'] as const)
    visit(await succeed(gateway, caller, '{ me { __typename id employee { __typename id } } }'));
  for (const { operation, field } of rootFields) {
    const type = getNamedType(field.type);
    if (operation !== 'query' || !isObjectType(type) || callOf(field).declared.length > 0) continue;
    visit(await succeed(gateway, 'admin', document('query', [], `${field.name}${idSelection(type, 4)}`)));
  }
  const missing = nodeTypes.filter(({ name }) => (ids.get(name) ?? []).length === 0);
  if (missing.length > 0)
    throw new Error(
      `No object of the type ${missing.map(({ name }) => name).join(', ')} was found; add one to test/support/access/company.ts.`,
    );
  // Some from the end: other departments.
  return new Map([...ids].map(([type, all]) => [type, [...new Set([...all.slice(0, 5), ...all.slice(-5)])]]));
}

/** A caller with a separate session, which the call may end. */
export async function withNewSession({ gateway }: Company, caller: Caller): Promise<Caller> {
  if (typeof caller !== 'string') return caller;
  const user = await gateway.db
    .selectFrom('user_account')
    .selectAll()
    .where('email', '=', `${caller}@example.com`)
    .executeTakeFirstOrThrow();
  const sessionId = await addSession(gateway.db, user.id, newId());
  return {
    token: gateway.tokens.sign({ userId: user.id, role: user.role, employeeId: user.employee_id, sessionId }).token,
  };
}

/** What a read may change: it is recorded in the background. */
const volatile = ['last_used_at', 'updated_at'];

/** A hash of each table's rows, without those that record what callers tried. */
export async function tableContents({ db }: TestGateway): Promise<Record<string, string>> {
  const { rows } = await sql<{ name: string }>`select table_name as name from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE' and table_name not like 'audit%' and table_name <> 'document_usage' order by 1`.execute(
    db,
  );
  const contents = await Promise.all(
    rows.map(async ({ name }) => {
      const result = await sql<{ hash: string | null }>`select md5(string_agg(line, '' order by line)) as hash
        from (select (to_jsonb(one) - ${sql.val(volatile)}::text[])::text as line from ${sql.table(name)} one) lines`.execute(
        db,
      );
      return [name, result.rows[0]?.hash ?? 'empty'] as const;
    }),
  );
  return Object.fromEntries(contents);
}
