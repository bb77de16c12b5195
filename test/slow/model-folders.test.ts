import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startGateway, type AnyData } from '../support/gateway.js';
import { buildProgram, projectDir } from '../support/process.js';

const client = path.join(projectDir, 'clients', 'python');
const python = process.env.PYTHON ?? 'python3';

let dir: string;

beforeAll(async () => {
  buildProgram();
  dir = await mkdtemp(path.join(tmpdir(), 'auspex-model-folders-'));
}, 60_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Runs a program. @returns its output @throws Error with its output if it fails */
function run(command: string, args: readonly string[], env: Record<string, string> = {}, cwd = projectDir): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`);
  return stdout;
}

const runScript = (script: string, ...args: string[]): string =>
  run(process.execPath, [path.join('dist', 'scripts', script), ...args]);

async function newStore(name: string): Promise<string> {
  const store = path.join(dir, name);
  await mkdir(store);
  return store;
}

interface GoldenRow {
  input: object;
  output: object;
}

/** The golden rows of every version of a store. */
async function goldenRowsOf(store: string): Promise<{ model: string; version: number; rows: GoldenRow[] }[]> {
  const files = (await readdir(store, { recursive: true })).filter((file) => path.basename(file) === 'golden.jsonl');
  return Promise.all(
    files.sort().map(async (file) => {
      const [model = '', version = ''] = file.split(path.sep);
      const lines = (await readFile(path.join(store, file), 'utf8')).trim().split('\n');
      return { model, version: Number(version), rows: lines.map((line) => JSON.parse(line) as GoldenRow) };
    }),
  );
}

/** Whether two outputs are equal, with numbers within a relative 1e-4, as for `models:check`. */
function isClose(actual: unknown, expected: unknown): boolean {
  if (typeof actual === 'number' && typeof expected === 'number')
    return Math.abs(actual - expected) <= 1e-4 * Math.max(Math.abs(actual), Math.abs(expected), 1e-4);
  if (typeof actual !== 'object' || typeof expected !== 'object' || actual === null || expected === null)
    return actual === expected;
  const values = new Map(Object.entries(actual));
  const entries = Object.entries(expected);
  return values.size === entries.length && entries.every(([key, value]) => isClose(values.get(key), value));
}

/** Serves a store, and expects that `predict` returns the golden outputs of every version. */
async function expectServed(store: string): Promise<void> {
  const gateway = await startGateway({ MODEL_STORE: store, MODEL_STORE_POLL_MS: '0' });
  try {
    for (const { model, version, rows } of await goldenRowsOf(store)) {
      const { data, errors } = await gateway.execute<AnyData>(
        'user',
        `query ($model: String!, $version: Int!, $inputs: [JSONObject!]!) {
          predict(model: $model, version: $version, inputs: $inputs) { output }
        }`,
        { model, version, inputs: rows.map(({ input }) => input) },
      );
      expect({ model, errors }).toEqual({ model, errors: [] });
      const different = rows.filter(({ output }, row) => !isClose(data.predict[row].output, output));
      expect({ model, different }).toEqual({ model, different: [] });
    }
  } finally {
    await gateway.close();
  }
}

describe('npm run models:new', () => {
  it('writes folders that pass the check, and whose golden rows predict returns', async () => {
    const store = await newStore('new');
    for (const model of ['car-price', 'digits', 'iris', 'salary-benchmark', 'sms-spam']) {
      const graph = path.join(projectDir, 'model-store', model, '1', 'model.onnx');
      const output = runScript('new-model.js', graph, '--name', model, '--store', store);
      expect(output).toMatch(
        /^Wrote .*: \d+ inputs?, \d+ outputs?, 8 generated golden rows\. It can be served as it is\./,
      );
      expect(output).toContain(`MODEL_STORE=${store} npm start`);
    }

    expect(await readdir(store)).toEqual(['car-price', 'digits', 'iris', 'salary-benchmark', 'sms-spam']);
    expect(runScript('check-models.js', store)).toBe('5 models, 5 versions, 40 golden rows: fine\n');
    await expectServed(store);
  }, 120_000);

  it('rejects an existing folder in one sentence', async () => {
    const store = await newStore('existing');
    const graph = path.join(projectDir, 'model-store', 'iris', '1', 'model.onnx');
    const args = ['dist/scripts/new-model.js', graph, '--name', 'iris', '--store', store];
    run(process.execPath, args);
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: projectDir, encoding: 'utf8' });

    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^\S+iris already exists; choose another name with --name.*\.\n$/);
    expect(await readdir(store)).toEqual(['iris']);
  }, 60_000);
});

/** Why the tests of the Python client are skipped; null if its packages are installed. */
function reasonToSkipPython(): string | null {
  const imports = 'import numpy, onnx, onnxruntime, yaml, pytest, pandas, sklearn, skl2onnx';
  if (spawnSync(python, ['-c', imports]).status === 0) return null;
  return `${python} lacks packages; pip install './clients/python[sklearn,test]', or set PYTHON`;
}

function describeWithPython(name: string, tests: () => void): void {
  const reason = reasonToSkipPython();
  if (reason === null) describe(name, tests);
  else describe.skip(`${name} (skipped: ${reason})`, tests);
}

describeWithPython('the Python client', () => {
  it('passes its tests, and writes folders that pass the check and are served', async () => {
    const store = await newStore('python');
    const env = { AUSPEX_MODELS_TEST_STORE: store, PYTHONPATH: path.join(client, 'src') };
    run(python, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider'], env, client);

    expect(await readdir(store)).toEqual(expect.arrayContaining(['churn', 'vector', 'versions', 'zip-map']));
    expect(runScript('check-models.js', store)).toMatch(/golden rows: fine\n$/);
    await expectServed(store);
  }, 900_000);
});
