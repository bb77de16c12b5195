import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { buildProgram, projectDir, startProgram } from '../support/process.js';

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

/** Writes the documents of version 1.2.0 of the client `web`. @returns the folder */
async function documentsOf(documents: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(path.join(folder, 'documents-'));
  await mkdir(path.join(dir, 'web'));
  await writeFile(path.join(dir, 'web', '1.2.0.json'), JSON.stringify(documents));
  return dir;
}

/** Writes the printed schema with a field that has since been removed. @returns the path */
async function withBadge(): Promise<string> {
  const file = path.join(await mkdtemp(path.join(folder, 'released-')), 'released.graphql');
  const text = await readFile(printed, 'utf8');
  await writeFile(
    file,
    text.replace('type Employee implements Node {', '$&\n  """The number on the badge."""\n  badge: String\n'),
  );
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
  it('fails if a live document breaks, with client, version, document and line', async () => {
    const { code, stderr } = await check([
      '--against',
      await withBadge(),
      '--documents',
      await documentsOf({ badges: badge, names }),
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      "breaks: client web 1.2.0, document badges (Badges), line 3, column 18: Field 'badge' was removed from object type 'Employee'.\n",
    );
    expect(stderr).toContain('The schema breaks 1 live document: ');
    expect(stderr).toContain('docs/changing-the-schema.md');
  });

  it('reports a breaking change that no client uses, and passes', async () => {
    const { code, stdout, stderr } = await check([
      '--against',
      await withBadge(),
      '--documents',
      await documentsOf({ names }),
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain("breaks no known document: Field 'badge' was removed from object type 'Employee'.\n");
  });

  it('passes for the committed schema without documents', async () => {
    const { code, stdout, stderr } = await check([]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('The schema is compatible: ');
  });

  it('includes the models', async () => {
    const { code, stderr } = await check([
      '--models',
      await withoutIris(),
      '--documents',
      await documentsOf({ species, names }),
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      "breaks: client web 1.2.0, document species (Species), line 2, column 3: Field 'predictIris' was removed from object type 'Query'.\n",
    );
    expect(stderr).not.toContain('document names');
  });

  it('includes documents published in the database', async () => {
    const published = await gateway.execute<AnyData>(
      'admin',
      'mutation ($manifest: JSONObject!) { publishDocuments(client: "kiosk", version: "7", manifest: $manifest) { documentCount } }',
      {
        manifest: { species },
      },
    );
    expect(published.errors).toEqual([]);
    const args = ['--models', await withoutIris()];
    const { code, stderr } = await check(args, { DATABASE_URL: gateway.databaseUrl });
    expect(code).toBe(1);
    expect(stderr).toContain('client kiosk 7, document species (Species), line 2, column 3');
    expect((await check([...args, '--files-only'], { DATABASE_URL: gateway.databaseUrl })).code).toBe(0);
  });

  it('compares with the schema of a running gateway', async () => {
    expect((await check(['--against', gateway.url])).code).toBe(0);
    const { code, stderr } = await check([
      '--against',
      gateway.url,
      '--models',
      await withoutIris(),
      '--documents',
      await documentsOf({ species }),
    ]);
    expect([code, stderr.includes('document species')]).toEqual([1, true]);
  });

  it('reports documents that are already invalid', async () => {
    const { code, stdout } = await check(['--documents', await documentsOf({ never: '{ never }' })]);
    expect(code).toBe(0);
    expect(stdout).toContain(
      'already invalid: client web 1.2.0, document never, line 1, column 3: Cannot query field "never" on type "Query".',
    );
  });

  it.each([
    ['a missing schema', ['--against', 'nowhere.graphql'], 1, /^nowhere\.graphql cannot be read as a schema: /],
    [
      'an unreachable gateway',
      ['--against', 'http://127.0.0.1:65000/graphql'],
      1,
      /^http:\/\/127\.0\.0\.1:65000\/graphql did not return its schema: ECONNREFUSED\. [^\n]+\n$/,
    ],
    ['an unknown option', ['--unknown'], 2, /Unknown option '--unknown'/],
  ])('prints a one-line error for %s', async (_what, args, exitCode, message) => {
    const { code, stderr } = await check(args);
    expect(code).toBe(exitCode);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
  });
});

describe('npm run schema:release', () => {
  it('updates the released schema', async () => {
    const file = await withBadge();
    const { code, stdout } = await check(['--release', '--against', file, '--documents', await documentsOf({ names })]);
    expect(code).toBe(0);
    expect(stdout).toContain('is updated; commit it with the release');
    expect(await readFile(file, 'utf8')).toBe(await readFile(printed, 'utf8'));
  });

  it('rejects a change that breaks live documents, unless breaking changes are allowed', async () => {
    const file = await withBadge();
    const before = await readFile(file, 'utf8');
    const args = ['--release', '--against', file, '--documents', await documentsOf({ badges: badge })];
    expect((await check(args)).code).toBe(1);
    expect(await readFile(file, 'utf8')).toBe(before);
    expect((await check([...args, '--allow-breaking-changes'])).code).toBe(0);
    expect(await readFile(file, 'utf8')).toBe(await readFile(printed, 'utf8'));
  });
});
