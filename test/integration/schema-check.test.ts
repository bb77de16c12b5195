import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { buildProgram, projectDir, startProgram } from '../kit/process.js';

const printed = path.join(projectDir, 'schema', 'schema.graphql');
const badge = 'query Badges {\n  employees(first: 1) {\n    nodes { name badge }\n  }\n}';
const names = '{ employees(first: 1) { nodes { name } } }';
const species = 'query Species {\n  predictIris(inputs: [{ petalLength: 1.4, petalWidth: 0.2 }]) { species }\n}';

let folder: string;
let gateway: TestGateway;
beforeAll(async () => {
  buildProgram();
  folder = await mkdtemp(path.join(tmpdir(), 'auspex-contract-'));
  gateway = await startGateway();
}, 60_000);
afterAll(async () => {
  await gateway.close();
  await rm(folder, { recursive: true, force: true });
});

/** A folder of documents of the client `web` in version 1.2.0. */
async function documentsOf(documents: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(path.join(folder, 'documents-'));
  await mkdir(path.join(dir, 'web'));
  await writeFile(path.join(dir, 'web', '1.2.0.json'), JSON.stringify(documents));
  return dir;
}

/** The printed schema, with a field that it no longer has. */
async function withBadge(): Promise<string> {
  const file = path.join(await mkdtemp(path.join(folder, 'released-')), 'released.graphql');
  const text = await readFile(printed, 'utf8');
  await writeFile(file, text.replace('type Employee implements Node {', '$&\n  """The number on the badge."""\n  badge: String\n'));
  return file;
}

async function withoutIris(): Promise<string> {
  const store = path.join(folder, 'store-without-iris');
  await cp(path.join(projectDir, 'model-store'), store, { recursive: true });
  await rm(path.join(store, 'iris'), { recursive: true, force: true });
  return store;
}

async function check(args: string[], env: Record<string, string> = {}) {
  const program = startProgram('scripts/check-schema.js', { env, cwd: folder, args });
  return { code: await program.ended, stdout: program.stdout(), stderr: program.stderr() };
}

describe('npm run schema:check', () => {
  it('fails where a live document breaks, and names client, version, document and line', async () => {
    const { code, stderr } = await check(['--against', await withBadge(), '--documents', await documentsOf({ badges: badge, names })]);
    expect(code).toBe(1);
    expect(stderr).toContain("breaks: client web 1.2.0, document badges (Badges), line 3, column 18: Field 'badge' was removed from object type 'Employee'.\n");
    expect(stderr).toContain('The schema breaks 1 live document: ');
    expect(stderr).toContain('docs/changing-the-schema.md');
  });

  it('tells of a breaking change that nobody uses, and passes', async () => {
    const { code, stdout, stderr } = await check(['--against', await withBadge(), '--documents', await documentsOf({ names })]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain("breaks nobody that is known: Field 'badge' was removed from object type 'Employee'.\n");
  });

  it('passes for the schema as it is committed, without any documents', async () => {
    const { code, stdout, stderr } = await check([]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('The schema keeps what clients rely on: ');
  });

  it('counts the models in', async () => {
    const { code, stderr } = await check(['--models', await withoutIris(), '--documents', await documentsOf({ species, names })]);
    expect(code).toBe(1);
    expect(stderr).toContain("breaks: client web 1.2.0, document species (Species), line 2, column 3: Field 'predictIris' was removed from object type 'Query'.\n");
    expect(stderr).not.toContain('document names');
  });

  it('counts the documents in that were published into the database', async () => {
    const published = await gateway.ask<Any>('admin', 'mutation ($manifest: JSONObject!) { publishDocuments(client: "kiosk", version: "7", manifest: $manifest) { documentCount } }', {
      manifest: { species },
    });
    expect(published.errors).toEqual([]);
    const args = ['--models', await withoutIris()];
    const { code, stderr } = await check(args, { DATABASE_URL: gateway.databaseUrl });
    expect(code).toBe(1);
    expect(stderr).toContain('client kiosk 7, document species (Species), line 2, column 3');
    expect((await check([...args, '--files-only'], { DATABASE_URL: gateway.databaseUrl })).code).toBe(0);
  });

  it('can be asked what a gateway that serves would lose', async () => {
    expect((await check(['--against', gateway.url])).code).toBe(0);
    const { code, stderr } = await check(['--against', gateway.url, '--models', await withoutIris(), '--documents', await documentsOf({ species })]);
    expect([code, stderr.includes('document species')]).toEqual([1, true]);
  });

  it('tells of documents that are broken already', async () => {
    const { code, stdout } = await check(['--documents', await documentsOf({ never: '{ never }' })]);
    expect(code).toBe(0);
    expect(stdout).toContain('was broken before: client web 1.2.0, document never, line 1, column 3: Cannot query field "never" on type "Query".');
  });

  it.each([
    ['a schema that is not there', ['--against', 'nowhere.graphql'], /^nowhere\.graphql cannot be read as a schema: /],
    ['a gateway that does not answer', ['--against', 'http://127.0.0.1:1/graphql'], /does not tell its schema/],
    ['an option that it does not know', ['--forget'], /Unknown option '--forget'/],
  ])('says in a line what is wrong with %s', async (_what, args, message) => {
    const { code, stderr } = await check(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
  });
});

describe('npm run schema:release', () => {
  it('makes the schema the released one', async () => {
    const file = await withBadge();
    const { code, stdout } = await check(['--release', '--against', file, '--documents', await documentsOf({ names })]);
    expect(code).toBe(0);
    expect(stdout).toContain('is now the schema that the code and the models produce');
    expect(await readFile(file, 'utf8')).toBe(await readFile(printed, 'utf8'));
  });

  it('is refused where live documents break, unless it is done all the same', async () => {
    const file = await withBadge();
    const before = await readFile(file, 'utf8');
    const args = ['--release', '--against', file, '--documents', await documentsOf({ badges: badge })];
    expect((await check(args)).code).toBe(1);
    expect(await readFile(file, 'utf8')).toBe(before);
    expect((await check([...args, '--even-if-documents-break'])).code).toBe(0);
    expect(await readFile(file, 'utf8')).toBe(await readFile(printed, 'utf8'));
  });
});
