import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { readCatalog } from '../../src/scripts/existing-tables/catalog.js';
import { chooseTables, readNames } from '../../src/scripts/existing-tables/choose-tables.js';
import { planTables, type Existing, type PlannedTable } from '../../src/scripts/existing-tables/plan.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { oddTables } from '../support/odd-tables/fixture.js';

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(oddTables);
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

describe('the tables of a request', () => {
  const chosen = async (schema: string, table: string, types: Record<string, string> = {}) =>
    chooseTables(
      await readCatalog(client, schema),
      { schema, table },
      (one) => types[one.table] ?? null,
      await readNames(client),
    );

  it.each([
    ['od', '*', /^The database \S+ has no tables in a schema od; schemas with tables: .*\bodd\b.*\.$/],
    ['odd', 'peple', /^The schema odd of the database \S+ has no table peple; it has .*\bpeople\b.*\.$/],
    ['odd', 'people', /^odd\.people has a type: Person\. Change its code, or delete its domain first\.$/],
  ])('are named with what is there instead: %s.%s', async (schema, table, message) => {
    await expect(chosen(schema, table, { people: 'Person' })).rejects.toThrow(message);
  });

  it('are those that the role may read', async () => {
    await client.query('begin');
    try {
      await client.query('create role odd_reader; grant usage on schema odd to odd_reader; set local role odd_reader');
      await expect(chosen('odd', '*')).rejects.toThrow(
        /^The role odd_reader may not read odd\.[^;]+; run as the owner: grant usage on schema "odd" to "odd_reader"; grant select on all tables/,
      );
      await client.query('set local role none; grant select on odd.people to odd_reader; set local role odd_reader');
      const { chosen: tables, omissions } = await chosen('odd', '*');
      expect(tables.map(({ table }) => table)).toEqual(['people']);
      expect(omissions).toContainEqual({
        name: 'odd.notes',
        reason: 'cannot be read by the role odd_reader; grant select on it',
      });
    } finally {
      await client.query('rollback');
    }
  });
});

describe('the plan of a schema', () => {
  const nothing: Existing = {
    tables: [],
    typeNames: new Set(['Department', 'User']),
    fieldNames: new Set(['departments', 'users', 'user']),
    folders: new Set(['user']),
    idPrefixes: new Set(['user']),
    enums: new Map(),
    fieldsByType: new Map(),
  };
  const planned = async (table?: string, options = {}) =>
    planTables(
      (await readCatalog(client, 'odd')).filter((one) => table === undefined || one.table === table),
      nothing,
      options,
    );
  const typeOf = (tables: readonly PlannedTable[], table: string): PlannedTable => {
    const found = tables.find((one) => one.table === table);
    if (!found) throw new Error(`${table} is not planned.`);
    return found;
  };

  it('names each table and column that is left out, with the reason', async () => {
    const { tables, omissions } = await planned();
    expect(omissions.map(({ name, reason }) => `${name} ${reason}`).sort()).toEqual([
      'odd.by_token its key has the column token, which looks secret or has a type that no ID can hold',
      ...['happy_people', 'team_sizes', 'without_key'].map(
        (table) =>
          `odd.${table} has neither a primary key nor a unique index of columns that are not null; name columns that identify a row with --key`,
      ),
    ]);
    const { omissions: columns, description } = typeOf(tables, 'every_type');
    expect(columns.map(({ name }) => name)).toEqual(['token_free', 'search', 'both_parts', 'password_hash', 'apiKey']);
    expect(description).toContain('password_hash (looks secret)');
    expect(tables.flatMap((one) => one.omissions).filter(({ name }) => name !== 'update')).toEqual(columns);
  });

  it('chooses names that nothing has', async () => {
    const { tables } = await planned();
    const named = (table: string) => {
      const { type, field, fields } = typeOf(tables, table);
      return [type, field, fields];
    };
    expect(named('department')).toEqual(['OddDepartment', 'oddDepartment', 'oddDepartments']);
    expect(named('user')).toEqual(['OddUser', 'oddUser', 'oddUsers']);
    expect(named('people')).toEqual(['Person', 'person', 'people']);
    expect(named('Straßen Verzeichnis')).toEqual([
      'StrassenVerzeichnis',
      'strassenVerzeichnis',
      'strassenVerzeichnises',
    ]);
    const properties = typeOf(tables, 'every_type').columns.map(({ property }) => property);
    expect(properties).toEqual(
      expect.arrayContaining(['rowId', 'groesseInCm', 'constructorColumn', 'notColumn', 'email']),
    );
    expect(new Set(properties).size).toBe(properties.length);
    expect(typeOf(tables, 'wide').columns).toHaveLength(41);
  });

  it('adds both directions of each foreign key, also of cycles, self references and two keys to one table', async () => {
    const { tables } = await planned();
    const fields = tables
      .flatMap(({ relations }) => relations)
      .map(({ owner, field, target, columns }) => `${owner.type}.${field}: ${target.type} by ${columns.join(' ')}`);
    expect(fields.sort()).toEqual([
      'OrderHeader.orderLines: OrderLine by shop,shop number,orderNumber',
      'OrderLine.orderHeader: OrderHeader by shop,shop orderNumber,number',
      'Person.boss: Person by bossId,rowId',
      'Person.mentorPerson: Person by mentor,rowId',
      'Person.peopleByBoss: Person by rowId,bossId',
      'Person.peopleByMentorPerson: Person by rowId,mentor',
      'Person.transfersByFromPerson: Transfer by rowId,fromPersonId',
      'Person.transfersByToPerson: Transfer by rowId,toPersonId',
      'Player.team: Team by teamId,rowId',
      'Player.teamsByCaptain: Team by rowId,captainId',
      'Team.captain: Player by captainId,rowId',
      'Team.players: Player by rowId,teamId',
      'Transfer.fromPerson: Person by fromPersonId,rowId',
      'Transfer.toPerson: Person by toPersonId,rowId',
    ]);
  });

  it('adds the foreign keys of tables that already have a type, with free names', async () => {
    const catalog = await readCatalog(client, 'odd');
    const only = (...names: string[]) => catalog.filter(({ table }) => names.includes(table));
    const { tables: teams } = planTables(only('team'), nothing);
    const existing = {
      ...nothing,
      tables: teams,
      fieldsByType: new Map([['Team', ['id', 'rowId', 'captainId', 'players']]]),
    };
    const { tables } = planTables(only('team', 'player'), existing);
    expect(tables.map(({ type }) => type)).toEqual(['Player']);
    expect(
      tables
        .flatMap(({ relations }) => relations)
        .map(({ owner, field, target }) => `${owner.type}.${field}: ${target.type}`),
    ).toEqual([
      'Player.team: Team',
      'Team.playersByTeamId: Player',
      'Team.captain: Player',
      'Player.teamsByCaptain: Team',
    ]);
  });

  it('has mutations for tables with a key, and names those that are left out', async () => {
    const { tables } = await planned();
    const writesOf = (table: string) => typeOf(tables, table).writes;
    expect(writesOf('order_line')).toEqual({ hasCreate: true, hasUpdate: true, hasVersion: true });
    expect(writesOf('measurement')).toEqual({ hasCreate: true, hasUpdate: true, hasVersion: false });
    expect(writesOf('query')).toEqual({ hasCreate: true, hasUpdate: false, hasVersion: true });
    const views = (await planned('happy_people', { key: ['id'] })).tables;
    expect(views.map(({ writes, omissions }) => [writes, omissions])).toEqual([
      [null, [{ name: 'mutations', reason: 'are left out: it is a view' }]],
    ]);
    const withoutKey = typeOf((await planned('without_key', { key: ['a'] })).tables, 'without_key');
    expect([withoutKey.writes, withoutKey.omissions]).toEqual([
      null,
      [{ name: 'mutations', reason: 'are left out: no unique index makes its key identify one row' }],
    ]);
    expect(typeOf((await planned('people', { readOnly: true })).tables, 'people')).toMatchObject({
      writes: null,
      omissions: [],
    });
  });

  it('leaves out the creation of rows that need a column without a field', async () => {
    await client.query(
      'create table odd.member (id integer primary key, name varchar(20) not null, password_hash text not null)',
    );
    const member = typeOf((await planned('member')).tables, 'member');
    await client.query('drop table odd.member');
    expect(member.writes).toMatchObject({ hasCreate: false, hasUpdate: true });
    expect(member.omissions).toContainEqual({
      name: 'create',
      reason: 'is left out: a row needs password_hash, which has no field',
    });
    expect(member.columns.find(({ name }) => name === 'name')?.maxLength).toBe(20);
  });

  it('maps enum values to names of GraphQL, and follows domains', async () => {
    const { tables } = await planned();
    const [mood] = tables.flatMap(({ enums }) => enums);
    expect(mood?.values).toEqual([
      ['HAPPY', 'happy'],
      ['IN_BETWEEN', 'in between'],
      ['GROESSER', 'größer'],
      ['N1ST', '1st'],
      ['TRUE_VALUE', 'true'],
    ]);
    const positive = typeOf(tables, 'every_type').columns.find(({ name }) => name === 'positive');
    expect(positive).toMatchObject({ type: 'column.integer', isNullable: false });
  });

  it('takes the key of a view and the owner from the command, and checks them', async () => {
    const { tables } = await planned('happy_people', { key: ['id'] });
    expect(typeOf(tables, 'happy_people')).toMatchObject({ kind: 'view', type: 'HappyPerson' });
    expect(typeOf((await planned('notes', { ownedBy: 'user_id' })).tables, 'notes').ownedBy).toBe('userId');
    await expect(planned('happy_people', { key: ['nothing'] })).rejects.toThrow(
      'odd.happy_people has no column nothing; it has id, name.',
    );
    await expect(planned('people', { ownedBy: 'id' })).rejects.toThrow('it must have the type uuid or text');
  });
});
