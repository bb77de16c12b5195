import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import type { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import type { AuditEvent } from '../../src/audit/audit-event.js';
import { Role, type Viewer } from '../../src/auth/viewer.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import { TableCatalog } from '../../src/database/table-facts.js';
import type { Database } from '../../src/database/tables.js';
import { IndexGuard } from '../../src/graphql/filtering/index-guard.js';
import type { LiveSchema } from '../../src/graphql/schema/build-schema.js';
import { maxValueBytes } from '../../src/graphql/tables/input-values.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import type { AnyData } from '../support/gateway.js';
import { ledgerDomain } from '../support/ledger/domain.js';
import { executeOn, openTableSchema, runSql, type Executed } from '../support/odd-tables/execute.js';
import { statementsOf } from '../support/statements.js';
import { viewerOf } from '../support/viewers.js';

let database: TestDatabase;
let orm: MikroORM;
let db: Database;
let schema: LiveSchema;
/** The largest result of a statement. */
const maxResultBytes = 3_000_000;

/** The events of committed and rolled back transactions. */
let events: AuditEvent[];
beforeAll(async () => {
  database = await createTestDatabase();
  orm = openOrm({ url: database.url, entities: ledgerDomain.existingTables ?? [], poolSize: 3, maxResultBytes });
  db = databaseOf(orm);
  await runSql(database.url, readFileSync(new URL('../fixtures/existing-tables/ledger.sql', import.meta.url), 'utf8'));
  const by = () => (_transaction: unknown, event: AuditEvent) => Promise.resolve(void events.push(event));
  schema = openTableSchema(ledgerDomain, { audit: { by } });
});
afterAll(async () => {
  await orm.close();
  await database.drop();
});
beforeEach(async () => {
  events = [];
  await runSql(
    database.url,
    'truncate ledger.account, ledger.entry, ledger.reading, ledger.guarded, ledger.log restart identity',
  );
});

const admin = viewerOf({ role: Role.ADMIN });
const user = viewerOf();

const run = (
  viewer: Viewer,
  source: string,
  variables: Record<string, unknown> = {},
  currentRole?: Role,
): Promise<Executed> => {
  const indexes = new IndexGuard(new TableCatalog(db), { maxUnindexedRows: 50_000 });
  const request = { schema, viewer, db, indexes, orm, ...(currentRole === undefined ? {} : { currentRole }) };
  return executeOn(request, source, variables);
};

async function write(viewer: Viewer, source: string, variables: Record<string, unknown> = {}): Promise<AnyData> {
  const { data, codes, messages } = await run(viewer, source, variables);
  expect([codes, messages]).toEqual([[], []]);
  return data;
}

/** All rows of all tables. */
async function contents(): Promise<unknown> {
  const tables = ['account', 'entry', 'reading', 'guarded'];
  return Promise.all(
    tables.map(
      async (table) => (await sql`select * from ${sql.table(`ledger.${table}`)} order by 1, 2`.execute(db)).rows,
    ),
  );
}

const mutation = (name: string): Record<'create' | 'update' | 'delete', string> => ({
  create: `mutation ($input: Create${name}Input!) { row: create${name}(input: $input) { id } }`,
  update: `mutation ($id: ID!, $input: Update${name}Input!, $version: String) { row: update${name}(id: $id, input: $input, expectedVersion: $version) { id version } }`,
  delete: `mutation ($id: ID!, $version: String) { row: delete${name}(id: $id, expectedVersion: $version) { deleted${name}Id } }`,
});
const account = mutation('Account');
const entry = mutation('Entry');
const guarded = mutation('Guarded');

const create = async (texts: { create: string }, input: object, viewer: Viewer = admin): Promise<string> =>
  (await write(viewer, texts.create, { input })).row.id as string;

const full = {
  code: 'a-1',
  email: 'Ann@example.com',
  kind: 'DEBT',
  balance: '12.50',
  lowest: 1,
  highest: 2,
  tags: ['x', 'ÄÖ'],
  nicknames: ['ann'],
  address: '192.0.2.1',
  opened: '2024-02-29',
  renewed: '2024-02-29T10:15:30.123456',
  photo: 'AP8=',
  settings: { a: [1, null] },
};

describe('a new row', () => {
  it('has the values of the input, and is returned as it was written, with its defaults', async () => {
    const fields = `${Object.keys(full).join(' ')} doubled`;
    const text = `mutation ($input: CreateAccountInput!) { createAccount(input: $input) { rowId ${fields} } }`;
    const { createAccount } = await write(admin, text, { input: full });
    expect(createAccount).toEqual({ rowId: 1, ...full, doubled: '25.00', address: '192.0.2.1/32' });
    const { createAccount: plain } = await write(admin, text, { input: { code: 'b', tags: [], nicknames: null } });
    expect(plain).toMatchObject({
      rowId: 2,
      kind: 'ASSET',
      balance: '0.00',
      tags: [],
      nicknames: null,
      settings: null,
    });
    expect(events).toMatchObject([
      { action: 'ROW_CREATE', after: { fields: Object.keys(full) } },
      { action: 'ROW_CREATE', after: { fields: ['code', 'tags', 'nicknames'] } },
    ]);
  });

  it('is one statement in its transaction, and is visible to the rest of the operation', async () => {
    const parent = await create(account, { code: 'p' });
    const text = `mutation ($id: ID!) {
      before: updateAccount(id: $id, input: { tags: [] }) { parent { code } }
      child: createAccount(input: { code: "c", parentId: 1 }) { parent { code tags } }
      changed: updateAccount(id: $id, input: { tags: ["new"] }) { code }
      after: createAccount(input: { code: "d", parentId: 1 }) { parent { code tags } }
    }`;
    const { child, after } = await write(admin, text, { id: parent });
    expect([child, after]).toEqual([{ parent: { code: 'p', tags: [] } }, { parent: { code: 'p', tags: ['new'] } }]);
    const statements = await statementsOf(() => write(admin, account.create, { input: { code: 'e' } }));
    expect(statements.map((one) => one.split(' ')[0])).toEqual(['begin', 'insert', 'commit']);
  });

  it('may have no value but its defaults', async () => {
    expect((await write(admin, 'mutation { row: createGuarded(input: {}) { rowId text } }')).row).toEqual({
      rowId: 1,
      text: null,
    });
  });
});

describe('a change', () => {
  it('sets what the input contains: null clears, an absent field and an empty input change nothing', async () => {
    const id = await create(account, full);
    const fields = 'code email tags balance version';
    const text = `mutation ($id: ID!, $input: UpdateAccountInput!) { row: updateAccount(id: $id, input: $input) { ${fields} } }`;
    const { row } = await write(admin, text, { id, input: { email: null, balance: '-1' } });
    expect(row).toMatchObject({ code: 'a-1', email: null, tags: ['x', 'ÄÖ'], balance: '-1.00' });
    expect((await write(admin, text, { id, input: {} })).row).toEqual(row);
    expect(events.map(({ action, after }) => [action, after])).toEqual([
      ['ROW_CREATE', { fields: Object.keys(full) }],
      ['ROW_UPDATE', { fields: ['email', 'balance'] }],
    ]);
  });

  it('compares expectedVersion, and changes nothing if the row was changed meanwhile', async () => {
    const id = await create(guarded, { rowId: 1, text: 'a' });
    const read = async (): Promise<string> =>
      (await write(admin, 'query ($id: ID!) { guarded(id: $id) { version } }', { id })).guarded.version as string;
    const version = await read();
    const changed = await write(admin, guarded.update, { id, input: { text: 'b' }, version });
    expect(changed.row.version).not.toBe(version);
    const before = await contents();
    for (const [text, variables] of [
      [guarded.update, { id, input: { text: 'c' }, version }],
      [guarded.update, { id, input: {}, version }],
      [guarded.delete, { id, version }],
    ] as const)
      expect((await run(admin, text, variables)).codes).toEqual(['CONFLICT']);
    for (const wrong of [null, '', 'x', '1; drop', '9'.repeat(11)])
      expect((await run(admin, guarded.update, { id, input: {}, version: wrong })).codes).toEqual(['BAD_USER_INPUT']);
    expect(await contents()).toEqual(before);
    await write(admin, guarded.delete, { id, version: changed.row.version });
    expect((await run(admin, guarded.delete, { id })).codes).toEqual(['NOT_FOUND']);
    expect((await run(admin, guarded.update, { id, input: {} })).codes).toEqual(['NOT_FOUND']);
  });

  it('of one version succeeds once, whatever the number of concurrent callers', async () => {
    const id = await create(guarded, { rowId: 1, text: 'a' });
    const { guarded: row } = await write(admin, 'query ($id: ID!) { guarded(id: $id) { version } }', { id });
    const results = await Promise.all(
      ['b', 'c', 'd', 'e'].map((text) => run(admin, guarded.update, { id, input: { text }, version: row.version })),
    );
    expect(results.map(({ codes }) => codes.join()).sort()).toEqual(['', 'CONFLICT', 'CONFLICT', 'CONFLICT']);
  });
});

describe('an invalid write', () => {
  it.each<[string, object, string]>([
    ['a text that is too long', { code: 'abcdef' }, 'code must have 5 characters or fewer'],
    [
      'an item that is too long',
      { nicknames: ['abcde'] },
      'nicknames has an item that must have 4 characters or fewer',
    ],
    ['NUL', { email: 'a\0@b' }, 'email must be a text without NUL and without lone surrogates'],
    ['a lone surrogate', { tags: ['\ud800'] }, 'tags has an item that must be a text without NUL'],
    ['a large text', { email: `${'x'.repeat(maxValueBytes)}@` }, `email must have ${maxValueBytes} bytes or fewer`],
    ['many items', { tags: Array(1001).fill('x') }, 'tags must have 1000 items or fewer'],
    ['large items', { tags: Array(11).fill('x'.repeat(100_000)) }, `tags must have ${maxValueBytes} bytes or fewer`],
    [
      'deep JSON',
      { settings: JSON.parse('['.repeat(5000) + ']'.repeat(5000)) as unknown },
      'settings must be JSON of 100 levels or fewer',
    ],
    ['JSON with NUL', { settings: '\0' }, 'settings must be a value of the type jsonb'],
    ['null for a column that is not null', { code: null }, 'code must not be null'],
    ['null for a column with a default', { tags: null }, 'tags must not be null; leave it out for the default'],
    ['an address that is none', { address: 'nowhere' }, 'address must be a value of the type inet'],
    ['a day that is none', { renewed: '2024-02-30T00:00' }, 'renewed must be a value of the type timestamp'],
    ['a year that is none', { opened: '0000-01-01' }, 'opened must be a value of the type date'],
    ['bytes that are none', { photo: 'A' }, 'photo must be a value of the type bytea'],
    ['a number out of range', { balance: '12345.6' }, 'balance is out of the range of its column'],
    ['a domain', { email: 'none' }, 'email violates a check of the database'],
    ['a check of a column', { balance: '-101' }, 'balance violates the check account_balance_check of the database'],
    ['a check of two columns', { lowest: 9 }, 'lowest violates the check ascending of the database'],
    ['a unique column', { code: 'other' }, 'code is already used by another row'],
    ['a unique expression', { email: 'OTHER@example.com' }, 'email is already used by another row'],
    ['a foreign key', { parentId: 99 }, 'parentId must be the key of an existing row'],
  ])('names the field and changes nothing: %s', async (_name, change, problem) => {
    await create(account, { code: 'other', email: 'other@example.com' });
    const id = await create(account, full);
    const before = await contents();
    events = [];
    for (const [text, variables] of [
      [account.update, { id, input: change }],
      [account.create, { input: { ...full, code: 'new', email: null, ...change } }],
    ] as const) {
      const { codes, problems, messages } = await run(admin, text, variables);
      // Null for a required field is rejected by the schema.
      if (codes[0] !== 'BAD_USER_INPUT') expect(messages[0]).toContain('Variable "$input" got invalid value null');
      else expect(problems).toEqual([expect.stringContaining(problem)]);
      expect(messages.join().length).toBeLessThan(400);
    }
    expect(await contents()).toEqual(before);
    expect(events).toEqual([]);
  });

  it.each<[string, string, Record<string, unknown>, string, RegExp]>([
    [
      'an exception of a trigger',
      guarded.create,
      { input: { rowId: 2, text: 'raise' } },
      'CONFLICT',
      /^A rule of the database rejected the change\.$/,
    ],
    [
      'a row that a trigger skips',
      guarded.create,
      { input: { rowId: 2, text: 'skip' } },
      'CONFLICT',
      /skipped the row/,
    ],
    [
      'a key that exists',
      guarded.create,
      { input: { rowId: 1 } },
      'BAD_USER_INPUT',
      /rowId is already used by another row/,
    ],
    [
      'no partition',
      mutation('Reading').create,
      { input: { rowId: 1, at: '2020-01-01', value: 1 } },
      'CONFLICT',
      /A check of the database rejected the row/,
    ],
    [
      'a key of a partition',
      mutation('Reading').create,
      { input: { rowId: 1, at: '2024-01-01', value: 2 } },
      'BAD_USER_INPUT',
      /is already used by another row/,
    ],
    [
      'an overlap',
      entry.create,
      { input: { accountId: 1, number: 2, during: '[2,3)' } },
      'BAD_USER_INPUT',
      /during overlaps with another row/,
    ],
    [
      'a deferred foreign key',
      entry.create,
      { input: { accountId: 99, number: 2 } },
      'BAD_USER_INPUT',
      /accountId must be the key of an existing row/,
    ],
    [
      'a malformed ID',
      guarded.delete,
      { id: 'ledgerguarded_x' },
      'BAD_USER_INPUT',
      /must be an id of type ledgerguarded/,
    ],
    [
      'an ID of another type',
      guarded.delete,
      { id: 'ledgeraccount_WyIxIl0' },
      'BAD_USER_INPUT',
      /must be an id of type ledgerguarded/,
    ],
  ])('has one clear error and changes nothing: %s', async (_name, text, variables, code, message) => {
    await create(account, { code: 'a' });
    await create(guarded, { rowId: 1 });
    await create(entry, { accountId: 1, number: 1, during: '[1,5)' });
    await create(mutation('Reading'), { rowId: 1, at: '2024-01-01', value: 1 });
    const before = await contents();
    events = [];
    const { codes, messages } = await run(admin, text, variables);
    expect([codes, messages]).toEqual([[code], [expect.stringMatching(message)]]);
    expect(JSON.stringify(messages)).not.toContain('secret');
    expect(await contents()).toEqual(before);
  });
});

describe('an error with another state of PostgreSQL', () => {
  it.each([
    ['40001', 'CONFLICT', 'Concurrent update detected'],
    ['40P01', 'CONFLICT', 'Concurrent update detected'],
    ['42501', 'FORBIDDEN', 'The database does not permit the gateway to create this row'],
    ['54000', 'BAD_USER_INPUT', 'A value is too large for the database'],
    ['55P03', 'SERVICE_UNAVAILABLE', 'The database is overloaded'],
    ['57014', 'TIMEOUT', 'The database did not respond in time'],
    ['44000', 'CONFLICT', 'A rule of the database rejected the change'],
    ['22012', 'BAD_USER_INPUT', 'A value does not fit its column'],
    ['23502', 'CONFLICT', 'A rule of the database rejected the change'],
    ['UE001', 'CONFLICT', 'A rule of the database rejected the change'],
    ['23001', 'CONFLICT', 'Other rows refer to this row'],
    ['23514', 'CONFLICT', 'A check of the database rejected the row'],
    ['25006', 'SERVICE_UNAVAILABLE', 'The database is unavailable'],
  ])('is one clear error without its message: %s', async (state, code, message) => {
    const before = await contents();
    const { codes, messages } = await run(admin, guarded.create, { input: { text: state } });
    expect([codes, messages]).toEqual([[code], [expect.stringContaining(message)]]);
    expect(messages.join()).not.toContain('secret');
    expect(await contents()).toEqual(before);
  });

  it('is internal if no caller can act on it', async () => {
    const { codes } = await run(admin, guarded.create, { input: { text: '42703' } });
    expect(codes).toEqual(['the secret of another row']); // The text of an unexpected error, which the gateway masks.
  });
});

describe('an error of another table', () => {
  it('names no field', async () => {
    const id = await create(account, { code: 'a' });
    await runSql(database.url, 'insert into ledger.log values (1)');
    const before = await contents();
    for (const [text, variables, message] of [
      [account.delete, { id }, 'A rule of the database rejected the change.'],
      [guarded.create, { input: { text: 'log' } }, 'A referenced row does not exist.'],
    ] as const) {
      const { codes, messages } = await run(admin, text, variables);
      expect([codes, messages]).toEqual([['CONFLICT'], [message]]);
    }
    expect(await contents()).toEqual(before);
  });
});

describe('a row that others refer to', () => {
  it('is not deleted, and the error names the type that refers to it', async () => {
    const id = await create(account, { code: 'a' });
    await create(entry, { accountId: 1, number: 1 });
    const before = await contents();
    const { codes, messages } = await run(admin, account.delete, { id });
    expect([codes, messages]).toEqual([['CONFLICT'], ['Entry rows refer to this row; change or delete them first.']]);
    await create(account, { code: 'b', parentId: 1 });
    await runSql(database.url, 'delete from ledger.entry');
    expect((await run(admin, account.delete, { id })).messages).toEqual([
      'Account rows refer to this row; change or delete them first.',
    ]);
    expect(await contents()).not.toEqual(before);
  });
});

describe('writes by others than an ADMIN with a session', () => {
  it.each<[string, Viewer, string, Role]>([
    ['anonymous callers', { kind: 'anonymous' }, 'UNAUTHENTICATED', Role.ADMIN],
    ['a USER', user, 'FORBIDDEN', Role.USER],
    ['a MANAGER', viewerOf({ role: Role.MANAGER }), 'FORBIDDEN', Role.MANAGER],
    ['an API key of an ADMIN', viewerOf({ kind: 'apiKey', role: Role.ADMIN }), 'FORBIDDEN', Role.ADMIN],
    ['a token of another issuer', viewerOf({ kind: 'external', role: Role.ADMIN }), 'FORBIDDEN', Role.ADMIN],
    ['a former ADMIN', admin, 'FORBIDDEN', Role.USER],
  ])('are rejected and change nothing: %s', async (_name, viewer, code, currentRole) => {
    const accountId = await create(account, full);
    const guardedId = await create(guarded, {});
    const readingId = await create(mutation('Reading'), { rowId: 1, at: '2024-01-01', value: 1 });
    const before = await contents();
    events = [];
    for (const [text, variables] of [
      [account.create, { input: { code: 'x' } }],
      [account.update, { id: accountId, input: { code: 'x' } }],
      [account.delete, { id: accountId }],
      [guarded.create, { input: {} }],
      [guarded.update, { id: guardedId, input: { text: 'x' } }],
      [guarded.delete, { id: guardedId }],
      [mutation('Reading').create, { input: { rowId: 2, at: '2024-01-01', value: 1 } }],
      ['mutation ($id: ID!) { updateReading(id: $id, input: { value: 2 }) { id } }', { id: readingId }],
      ['mutation ($id: ID!) { deleteReading(id: $id) { deletedReadingId } }', { id: readingId }],
    ] as const)
      expect((await run(viewer, text, variables, currentRole)).codes).toEqual([code]);
    expect(await contents()).toEqual(before);
    expect(events).toEqual([]);
  });
});

describe('rows with an owner, which users may write', () => {
  const other = viewerOf({ role: Role.MANAGER });
  const owners = async () =>
    (
      await sql<{ number: number; user_id: string }>`select number, user_id from ledger.entry order by 1`.execute(db)
    ).rows.map(({ number, user_id }) => [number, user_id]);
  beforeEach(() => create(account, { code: 'a' }));

  it('are created for the caller; only an ADMIN names another user', async () => {
    await create(entry, { accountId: 1, number: 1 }, user);
    await create(entry, { accountId: 1, number: 2 });
    await create(entry, { accountId: 1, number: 3, userId: other.userId });
    expect(await owners()).toEqual([
      [1, user.userId],
      [2, admin.userId],
      [3, other.userId],
    ]);
    for (const userId of [other.userId, user.userId]) {
      const { codes, problems } = await run(user, entry.create, { input: { accountId: 1, number: 4, userId } });
      expect([codes, problems]).toEqual([['BAD_USER_INPUT'], ['userId must be absent: it is your account']]);
    }
    expect(await owners()).toHaveLength(3);
  });

  it('do not get values of columns that the caller may not read', async () => {
    const id = await create(entry, { accountId: 1, number: 1, during: '[1,5)' });
    await create(entry, { accountId: 1, number: 2 }, user);
    const before = await contents();
    for (const [text, variables] of [
      // The overlap would reveal the range of the other row.
      [entry.create, { input: { accountId: 1, number: 3, during: '[2,3)' } }],
      [
        entry.update,
        { id: id.replace(/_.*/, `_${Buffer.from('["1","2"]').toString('base64url')}`), input: { during: null } },
      ],
    ] as const)
      expect((await run(user, text, variables)).codes).toEqual(['FORBIDDEN']);
    expect(await contents()).toEqual(before);
  });

  it('are changed and deleted by their user and by an ADMIN; for others there is no such row', async () => {
    const id = await create(entry, { accountId: 1, number: 1 }, user);
    const before = await contents();
    for (const [viewer, role] of [[other], [viewerOf({ role: Role.ADMIN }), Role.USER]] as const)
      for (const [text, variables] of [
        [entry.update, { id, input: { text: 'theirs' } }],
        [entry.update, { id, input: {} }],
        [entry.delete, { id }],
      ] as const)
        expect((await run(viewer, text, variables, role)).codes).toEqual(['NOT_FOUND']);
    expect((await run(user, entry.update, { id, input: { userId: other.userId } })).codes).toEqual(['BAD_USER_INPUT']);
    expect((await run({ kind: 'anonymous' }, entry.delete, { id })).codes).toEqual(['UNAUTHENTICATED']);
    expect((await run(viewerOf({ kind: 'apiKey', userId: user.userId }), entry.delete, { id })).codes).toEqual([
      'FORBIDDEN',
    ]);
    expect(await contents()).toEqual(before);
    await write(user, entry.update, { id, input: { text: 'mine' } });
    await write(admin, entry.update, { id, input: { userId: other.userId } });
    expect((await run(user, entry.delete, { id })).codes).toEqual(['NOT_FOUND']);
    await write(other, entry.delete, { id });
    expect(await owners()).toEqual([]);
  });
});

describe('a row that is larger than a result may be', () => {
  const text = 'query ($id: ID!) { guarded(id: $id) { rowId text } }';

  it.each([
    ['a page', '{ guardeds { nodes { text } } }'],
    ['a row', text],
    ['the result of a change', 'mutation ($id: ID!) { updateGuarded(id: $id, input: {}) { text } }'],
  ])('is an error of %s, and the next operation succeeds', async (_name, source) => {
    const id = await create(guarded, { text: 'a' });
    await runSql(database.url, "update ledger.guarded set text = repeat('x', 20000000)");
    for (let time = 0; time < 2; time += 1) {
      const { codes, messages } = await run(admin, source, { id });
      expect([codes, messages]).toEqual([
        ['QUERY_TOO_LARGE'],
        [`The rows of this field are larger than ${maxResultBytes} bytes; request fewer rows or fields.`],
      ]);
    }
    expect(await write(admin, 'query ($id: ID!) { guarded(id: $id) { rowId } }', { id })).toEqual({
      guarded: { rowId: 1 },
    });
    await write(admin, guarded.update, { id, input: { text: 'small' } });
    expect((await write(admin, text, { id })).guarded).toEqual({ rowId: 1, text: 'small' });
  });

  it('is read up to the limit, in several statements of one connection', async () => {
    const id = await create(guarded, { text: 'a' });
    await runSql(database.url, "update ledger.guarded set text = repeat('x', 2900000)");
    for (let time = 0; time < 5; time += 1)
      expect((await write(admin, text, { id })).guarded.text).toHaveLength(2_900_000);
  });
});
