import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { yearsSince } from '../../src/bindings/feature-kinds.js';
import { demoAccounts } from '../../src/domains/user/demo-accounts.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import type { AnyData } from '../support/gateway.js';
import { oddTables } from '../support/odd-tables/fixture.js';
import { makeShapeStore, type ShapeStore } from '../support/shape-store.js';
import { startProgram, type TestProcess } from '../support/process.js';
import { ProjectCopy } from '../support/project-copy.js';
import { waitUntil } from '../support/wait-until.js';

let project: ProjectCopy;
let database: TestDatabase;
let gateway: TestProcess | undefined;
let models: ShapeStore;
beforeAll(async () => {
  database = await createTestDatabase();
  await query(oddTables);
  models = await makeShapeStore();
  project = new ProjectCopy({ DATABASE_URL: database.url });
  project.tool('tsc', '-p', 'tsconfig.build.json');
}, 120_000);
afterAll(async () => {
  gateway?.signal('SIGTERM');
  await gateway?.ended;
  await models.remove();
  project.delete();
  await database.drop();
}, 60_000);

async function query(text: string): Promise<AnyData[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query<AnyData>(text)).rows;
  } finally {
    await client.end();
  }
}

/** The tables of the schema with their columns and indexes, as migrations would change them. */
const catalog = (): Promise<AnyData[]> =>
  query(`select c.relname, c.relkind, array_agg(format('%s %s %s', attname, atttypid::regtype, attnotnull) order by attnum) as columns,
    (select array_agg(pg_get_indexdef(indexrelid) order by indexrelid) from pg_index where indrelid = c.oid) as indexes
    from pg_class c join pg_attribute on attrelid = c.oid where relnamespace = 'odd'::regnamespace and relkind in ('r', 'p', 'v', 'm') group by c.oid order by 1`);

/** The files of the domains and of generated texts, with their contents. */
const treeOf = (dir: string): string[] =>
  ['src/domains', 'schema', 'test/integration'].flatMap((folder) =>
    readdirSync(path.join(dir, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(
        ({ parentPath, name }) => `${path.join(parentPath, name)} ${readFileSync(path.join(parentPath, name), 'utf8')}`,
      ),
  );

const newType = (...args: string[]): string => project.script('scripts/new-type.js', ...args);

describe('npm run new:type -- --tables', () => {
  it('writes domains for all tables of a schema, for a view by its key, and for a table by its owner', () => {
    expect(newType('--table', 'odd.notes', '--owned-by', 'user_id')).toContain('1 types: Note\nNothing is left out.');
    expect(newType('--table', 'odd.happy_people', '--key', 'id', '--name', 'HappyPerson')).toContain(
      '1 types: HappyPerson',
    );
    const output = newType('--tables', 'odd.*');
    expect(output).toContain('18 types: ');
    expect(output).toContain('odd.every_type.password_hash looks secret');
    expect(output).toContain('odd.without_key has neither a primary key nor');
    expect(output).toContain('Left out:');
  }, 300_000);

  it('writes code that passes lint, types, formatting and the checks of generated files unchanged', () => {
    const own = ['src/domains', 'src/graphql', 'test/integration', 'schema/schema.graphql'];
    project.tool('tsc', '-p', 'tsconfig.json', '--noEmit');
    project.tool('eslint', ...own);
    project.tool('prettier', '--check', '--log-level', 'warn', ...own, 'schema', 'docs');
    project.script('scripts/print-schema.js', '--check');
    project.script('scripts/write-docs.js', '--check');
    project.script('scripts/check-schema.js', '--files-only');
    const largest = readFileSync(path.join(project.dir, 'src/domains/every-type/every-type.entity.ts'), 'utf8');
    expect(largest).toContain('mood!: Mood | null;');
    expect(largest).not.toContain('passwordHash');
  }, 600_000);

  it('writes tests that pass, and access that the security tests measure', () => {
    expect(
      project.jest(
        'test/integration/odd-tables',
        'test/integration/note-tables',
        'test/integration/happy-person-tables',
      ),
    ).toMatch(/\d+ passed, 0 failed, 0 skipped/);
    expect(project.jest('test/security/access')).toMatch(/\d+ passed, 0 failed, 0 skipped/);
  }, 600_000);

  it('makes the gateway serve the tables at once, and migrations leave them as they are', async () => {
    const before = await catalog();
    gateway = startProgram('main.js', {
      project: project.dir,
      cwd: project.dir,
      env: {
        DATABASE_URL: database.url,
        JWT_SECRET: 'kHq3v9ZtL0mWcXy7RbNfD2sPaGjUeTiO4w',
        PORT: '0',
        DEMO_DATA: 'true',
        DATA_DIR: project.dir,
        MODEL_STORE: models.dir,
        MODEL_STORE_POLL_MS: '20',
      },
    });
    const url = await gateway.ready(120_000);
    const send = async (text: string, token?: string, codes: string[] = []) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ query: text }),
      });
      const { data, errors = [] } = await response.json();
      expect(errors.map(({ extensions: { code } }: AnyData) => code)).toEqual(codes);
      const statements = /desc="(\d+) statements?"/.exec(response.headers.get('server-timing') ?? '')?.[1];
      return { data, statements: Number(statements) };
    };
    const signIn = async (name: string): Promise<string> => {
      const input = `{ email: "${name}@example.com", password: "${demoAccounts.password}" }`;
      return (await send(`mutation { login(input: ${input}) { accessToken } }`)).data.login.accessToken as string;
    };
    const token = await signIn('user');
    const text = (first: number) =>
      `{ orderHeaders(first: ${first}) { nodes { id orderLines(first: 2) { nodes { article orderHeader { placedAt } } } } } }`;
    await send(text(2), token); // Facts of the tables are read once.
    const few = await send(text(1), token);
    const many = await send(text(3), token);
    // Orders are joined to their lines.
    expect([few.statements, many.statements]).toEqual([2, 2]);
    expect(many.data.orderHeaders.nodes).toHaveLength(3);
    const { data } = await send(
      '{ everyTypes { nodes { large exact mood moods valid groesseInCm constructorColumn } } happyPeople { totalCount } notes { totalCount } }',
      token,
    );
    expect(data.everyTypes.nodes[0]).toMatchObject({
      large: '9007199254740993',
      mood: 'IN_BETWEEN',
      moods: ['HAPPY', 'GROESSER'],
    });
    expect([data.happyPeople.totalCount, data.notes.totalCount]).toEqual([4, 0]);

    const admin = await signIn('admin');
    const creation =
      'mutation { createPerson(input: { rowId: 9, name: "Eve", bossId: 1 }) { id version boss { name } } }';
    await send(creation, token, ['FORBIDDEN']);
    await send(creation, undefined, ['UNAUTHENTICATED']);
    const { id, version, boss } = (await send(creation, admin)).data.createPerson;
    expect(boss).toEqual({ name: 'Ann' });
    const change = `mutation { updatePerson(id: "${id}", input: { name: "Eva" }, expectedVersion: "${version}") { name } }`;
    expect((await send(change, admin)).data).toEqual({ updatePerson: { name: 'Eva' } });
    await send(change, admin, ['CONFLICT']);
    await send('mutation { createPerson(input: { rowId: 9, name: "Eve" }) { id } }', admin, ['BAD_USER_INPUT']);
    await send(`mutation { deletePerson(id: "${id}") { deletedPersonId } }`, admin);
    const events = `{ auditLog(filter: { target: "${id}" }) { nodes { action after } } }`;
    expect((await send(events, admin)).data.auditLog.nodes.toReversed()).toEqual([
      { action: 'ROW_CREATE', after: { fields: ['rowId', 'name', 'bossId'] } },
      { action: 'ROW_UPDATE', after: { fields: ['name'] } },
      { action: 'ROW_DELETE', after: null },
    ]);
    // A model is bound to their types by its manifest alone.
    const bind = [
      { type: 'OrderHeader', field: 'age', output: 'y', inputs: { x: { yearsSince: 'placedAt' } } },
      { type: 'OrderLine', field: 'age', output: 'y', inputs: { x: { yearsSince: 'orderHeader.placedAt' } } },
    ];
    await models.makeCurrent(1, { bind });
    const fieldsOf = '{ __type(name: "OrderLine") { fields { name } } }';
    await waitUntil(async () =>
      ((await send(fieldsOf, admin)).data.__type.fields as AnyData[]).some(({ name }) => name === 'age'),
    );
    const aged = '{ orderHeaders { nodes { age { value } orderLines { nodes { age { value } } } } } }';
    const { nodes } = (await send(aged, token)).data.orderHeaders;
    const placed = (await send('{ orderHeaders { nodes { placedAt } } }', token)).data.orderHeaders.nodes as AnyData[];
    const years = placed.map(({ placedAt }) => yearsSince(placedAt, new Date()));
    expect(nodes.map(({ age }: AnyData) => age.value)).toEqual(years);
    for (const [index, { orderLines }] of nodes.entries())
      for (const line of orderLines.nodes) expect(line.age.value).toBe(years[index]);
    expect(project.script('scripts/create-migration.js')).toContain('no migration is needed');
    expect(await catalog()).toEqual(before);
  }, 300_000);

  it.each([
    [['--table', 'odd.nothing'], 'has no table nothing; it has '],
    [['--table', 'people'], 'Write the table with its schema, such as public.people.'],
    [['--table', 'odd.without_key'], 'has neither a primary key nor'],
    [['--table', 'odd.without_key', '--key', 'c'], 'has no column c; it has a, b.'],
    [
      ['--table', 'odd.people', '--database', 'postgresql://me:secret@127.0.0.1:1/none'],
      'The database none at 127.0.0.1:1 cannot be opened (ECONNREFUSED)',
    ],
    [['--table', 'odd.people', '--database', 'none'], '--database must be a URL'],
    [['--tables', 'odd.*', '--name', 'One'], 'are for one table'],
    [['Project', '--table', 'odd.people'], 'Name one type'],
  ])('reports %j in one message and writes nothing', (args, message) => {
    const before = treeOf(project.dir);
    let output = '';
    try {
      output = newType(...args);
    } catch (error) {
      output = String(error);
    }
    expect(output).toContain(message);
    expect(treeOf(project.dir)).toEqual(before);
  });
});
