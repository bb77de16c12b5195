import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ModelRepositoryError, readModel } from '../../../src/inference/repository/model-repository.js';
import { problemsOf } from '../../../src/inference/repository/problems.js';
import { parseJson } from '../../../src/inference/repository/text-files.js';
import { checkModelStore } from '../../../src/inference/repository/validator.js';
import { readGoldenRows } from '../../../src/inference/repository/version-folder.js';

let storeDir: string;

beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-text-'));
  await cp(path.resolve('model-store', 'iris'), path.join(storeDir, 'iris'), { recursive: true });
});

afterEach(() => rm(storeDir, { recursive: true, force: true }));

const inIris = (file: string) => path.join(storeDir, 'iris', file);

async function rewrite(file: string, change: (source: string) => string | Buffer): Promise<void> {
  await writeFile(inIris(file), change(await readFile(inIris(file), 'utf8')));
}

const version = async () => {
  const model = await readModel(storeDir, 'iris');
  const [stored] = model?.versions ?? [];
  if (!stored) throw new ModelRepositoryError(model?.broken[0]?.problems ?? []);
  return stored;
};

const textFiles = ['model.yaml', 'README.md', '1/golden.jsonl', '1/metrics.json', '1/SHA256SUMS'];

describe('the text files of a model', () => {
  it.each<[string, (source: string) => string | Buffer]>([
    ['a byte order mark', (source) => `\uFEFF${source}`],
    ['line ends of Windows', (source) => source.replaceAll('\n', '\r\n')],
    ['UTF-16', (source) => Buffer.from(`\uFEFF${source}`, 'utf16le')],
    ['big-endian UTF-16', (source) => Buffer.from(`\uFEFF${source}`, 'utf16le').swap16()],
    ['./ before the names of checksums', (source) => source.replaceAll(/^([0-9a-f]{64} {2})/gm, '$1./')],
    ['checksums in capitals', (source) => source.replaceAll(/^[0-9a-f]{64}/gm, (sum) => sum.toUpperCase())],
  ])('may have %s', async (_, change) => {
    for (const file of textFiles) await rewrite(file, change);
    const { problems, goldenRows, warnings } = await checkModelStore(storeDir);
    // The sums of the files that this test changes.
    expect(problems.filter((problem) => !problem.includes('is not the file that the training wrote'))).toEqual([]);
    expect([goldenRows, warnings]).toEqual([220, []]);
  });

  it.each(textFiles)('are named if they have another encoding: %s', async (file) => {
    await writeFile(inIris(file), Buffer.from([0x63, 0xe9, 0x0a]));

    expect((await checkModelStore(storeDir)).problems).toContain(`iris/${file} is not UTF-8; save it in that encoding`);
  });

  it('reads NaN and Infinity of Python as missing', async () => {
    await writeFile(inIris('1/metrics.json'), '{"auc": NaN, "loss": -Infinity, "f1": 0.5, "note": "NaN, \\"Infinity"}');
    const row = '{"input": {"sepal_length": NaN, "petal_length": 4, "petal_width": 1}, "output": {"species": "NaN"}}';
    await writeFile(inIris('1/golden.jsonl'), row);
    const stored = await version();

    expect(stored.metrics).toEqual({ auc: null, loss: null, f1: 0.5, note: 'NaN, "Infinity' });
    expect(await readGoldenRows(stored)).toEqual([
      { line: 1, input: { sepal_length: null, petal_length: 4, petal_width: 1 }, output: { species: 'NaN' } },
    ]);
    expect((await checkModelStore(storeDir)).problems).toContain(
      'iris/1/metrics.json: auc must be a number; the file is one flat object of numbers',
    );
  });

  it('names what is no JSON', async () => {
    await writeFile(inIris('1/metrics.json'), '{"auc": nan}');
    const error: unknown = await version().catch((reason: unknown) => reason);

    expect(problemsOf(error)).toEqual([
      expect.stringMatching(/^iris\/1\/metrics\.json must be one JSON object of at most 1\.0 MiB: Unexpected token/),
    ]);
  });
});

it.each(['{"a": NaNa}', 'NaN NaN', '{"a": "\\"', '', '[1,]'])('rejects %s as JSON', (source) => {
  expect(() => parseJson(source)).toThrow(SyntaxError);
});
