import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkModelStore } from '../../../src/inference/repository/validator.js';
import { projectDir } from '../../../src/app/data-dir.js';

let storeDir: string;

beforeEach(async () => {
  storeDir = await mkdtemp(path.join(tmpdir(), 'auspex-check-'));
  await cp(path.join(projectDir, 'model-store', 'iris'), path.join(storeDir, 'iris'), { recursive: true });
});

afterEach(() => rm(storeDir, { recursive: true, force: true }));

const inIris = (file: string) => path.join(storeDir, 'iris', file);

async function change(file: string, from: string | RegExp, to: string): Promise<void> {
  const source = await readFile(inIris(file), 'utf8');
  const changed = source.replace(from, to);
  expect(changed).not.toBe(source);
  await writeFile(inIris(file), changed);
}

/** Without the checksums of golden rows and metrics, which these tests change. */
const sumOfModelOnly = () => change('1/SHA256SUMS', /^.* (golden.jsonl|metrics.json)\n/gm, '');

const problems = async () => (await checkModelStore(storeDir)).problems;

describe('the model store check', () => {
  it('accepts the models of the repository', async () => {
    expect(await checkModelStore(path.join(projectDir, 'model-store'))).toEqual({
      models: 5,
      versions: 5,
      goldenRows: 980,
      problems: [],
      warnings: [],
    });
  });

  it('names the line of a golden row with another result, even a late one', async () => {
    await sumOfModelOnly();
    const rows = (await readFile(inIris('1/golden.jsonl'), 'utf8')).trimEnd().split('\n');
    const last = JSON.parse(rows.at(-1) ?? '') as {
      input: object;
      output: { species: string; probabilities: { setosa: number } };
    };
    last.output.probabilities.setosa *= 1.0002;
    await writeFile(inIris('1/golden.jsonl'), ['', ...rows.slice(0, -1), JSON.stringify(last), ''].join('\n'));

    expect(await problems()).toEqual([
      expect.stringMatching(
        /^iris\/1\/golden.jsonl:221: probabilities.setosa is \S+, not \S+; model.onnx and golden.jsonl come from different trainings$/,
      ),
    ]);
  });

  it('accepts a difference within rounding', async () => {
    await sumOfModelOnly();
    const rows = (await readFile(inIris('1/golden.jsonl'), 'utf8')).trimEnd().split('\n');
    const first = JSON.parse(rows[0] ?? '') as { output: { probabilities: { setosa: number } } };
    first.output.probabilities.setosa *= 1.00005;
    await writeFile(inIris('1/golden.jsonl'), [JSON.stringify(first), ...rows.slice(1)].join('\n'));

    expect(await problems()).toEqual([]);
  });

  it.each([
    [
      'an input that the manifest rejects',
      '"petal_length": 4.0',
      '"petal_length": 400',
      'iris/1/golden.jsonl:1: input petal_length must be from 0.2 to 12 (unit: cm), not 400',
    ],
    [
      'another class',
      '"species": "versicolor"',
      '"species": "setosa"',
      'iris/1/golden.jsonl:1: species is "versicolor", not "setosa"; model.onnx',
    ],
    ['a key too few', '"species": "versicolor", ', '', 'iris/1/golden.jsonl:1: species is not in the golden row'],
    [
      'a key too many',
      '"species": ',
      '"genus": "iris", "species": ',
      'iris/1/golden.jsonl:1: genus is missing in the output',
    ],
    ['broken JSON', '{"input"', '{input', 'iris/1/golden.jsonl:1: must be one line of JSON'],
  ])('names the line of a golden row with %s', async (_, from, to, problem) => {
    await sumOfModelOnly();
    await change('1/golden.jsonl', from, to);

    expect(await problems()).toEqual([expect.stringContaining(problem)]);
  });

  it('detects a model that was replaced without its training', async () => {
    await writeFile(
      inIris('1/model.onnx'),
      Buffer.concat([await readFile(inIris('1/model.onnx')), Buffer.from([0x32, 0])]),
    );

    expect(await problems()).toEqual([
      'iris/1/SHA256SUMS:3: model.onnx is not the file that the training wrote; train again, or regenerate the checksums',
    ]);
  });

  it.each([
    ['a line that is no checksum', 'abc  model.onnx\n', 'iris/1/SHA256SUMS:1: must be a SHA-256'],
    ['a file that is not there', `${'0'.repeat(64)}  weights.bin\n`, 'iris/1/SHA256SUMS:1: weights.bin is not there'],
    ['a file elsewhere', `${'0'.repeat(64)}  ../model.yaml\n`, 'iris/1/SHA256SUMS:1: must be a SHA-256'],
  ])('rejects checksums with %s', async (_, source, problem) => {
    await writeFile(inIris('1/SHA256SUMS'), source);

    expect(await problems()).toEqual([expect.stringContaining(problem), 'iris/1/SHA256SUMS: does not list model.onnx']);
  });

  it('names missing parts of a model card, and the line of a broken link', async () => {
    await change('README.md', '## Data', '## Flowers');
    await change('README.md', /(## Limits\n)[^]*?(?=## Export)/, '$1\n');
    await change('README.md', '(1/confusion-matrix.png)', '(1/confusion.png)');

    expect(await problems()).toEqual([
      'iris/README.md: has no section "## Data"; describe what it was trained on, where that came from, and what was done to it',
      expect.stringMatching(/^iris\/README.md:\d+: the section "Limits" is empty; describe where it is wrong/),
      expect.stringMatching(/^iris\/README.md:\d+: links to 1\/confusion.png, which is not there$/),
    ]);
  });

  it.each([
    ['no card', null, 'iris/README.md is missing; write a card'],
    ['an empty card', '', 'iris/README.md:1: must begin with a heading'],
    ['a card without a heading', 'Iris\n', 'iris/README.md:1: must begin with a heading'],
  ])('rejects %s', async (_, source, problem) => {
    await (source === null ? rm(inIris('README.md')) : writeFile(inIris('README.md'), source));

    expect(await problems()).toEqual([expect.stringContaining(problem)]);
  });

  it('requires numbers for metrics', async () => {
    await sumOfModelOnly();
    await writeFile(inIris('1/metrics.json'), '{"accuracy": 0.9, "split": "random"}');

    expect(await problems()).toEqual([
      'iris/1/metrics.json: split must be a number; the file is one flat object of numbers',
    ]);
  });

  it('reports manifest problems by line, graph problems by field, and all models at once', async () => {
    await cp(path.join(storeDir, 'iris'), path.join(storeDir, 'other'), { recursive: true });
    await change('model.yaml', 'current: 1', 'curent: 1');
    await writeFile(
      path.join(storeDir, 'other', 'model.yaml'),
      (await readFile(path.join(storeDir, 'other', 'model.yaml'), 'utf8'))
        .replace('petal_width:', 'petal_breadth:')
        .replace('current: 1', 'current: 1\ncanary: { version: 7, percent: 5 }'),
    );

    const found = await problems();

    expect(found).toContainEqual(
      expect.stringMatching(/^iris\/model.yaml:5: curent is unknown; known keys are title,/),
    );
    expect(found).toContainEqual(
      expect.stringContaining('other/model.yaml:6: canary is 7, which does not exist; versions: 1'),
    );
  });

  it('names the fields on which manifest and graph disagree', async () => {
    await change('model.yaml', 'petal_width:', 'petal_breadth:');

    expect(await problems()).toEqual([
      'iris/1: input petal_width of the graph is not in the manifest; describe it there',
      expect.stringContaining('iris/1: input petal_breadth of the manifest is not in the graph'),
    ]);
  });

  it('names a file that is not a graph', async () => {
    await writeFile(inIris('1/model.onnx'), 'no graph');

    expect(await problems()).toContainEqual(expect.stringContaining('iris/1/model.onnx cannot be loaded: '));
  });

  it('warns about problems that do not prevent serving', async () => {
    for (const file of ['golden.jsonl', 'metrics.json', 'SHA256SUMS']) await rm(inIris(`1/${file}`));
    await writeFile(
      inIris('README.md'),
      (await readFile(inIris('README.md'), 'utf8')).replaceAll(/\]\(1\/[^)]*\)/g, ']'),
    );

    const report = await checkModelStore(storeDir);

    expect(report).toMatchObject({ models: 1, versions: 1, goldenRows: 0, problems: [] });
    expect(report.warnings).toEqual([
      expect.stringContaining('iris/1/metrics.json is missing'),
      expect.stringContaining('iris/1/SHA256SUMS is missing'),
      expect.stringContaining('iris/1/golden.jsonl has no row'),
    ]);
  });

  it('reports folders beyond those that are served', async () => {
    for (let index = 0; index < 100; index += 1) await mkdir(path.join(storeDir, `zz-${index}`));
    expect(await problems()).toContain(
      'the store has 101 folders, and the first 100 are served; remove or hide others',
    );
  });

  it('rejects an empty or missing store', async () => {
    const empty = path.join(storeDir, 'empty');
    await mkdir(empty);

    expect((await checkModelStore(empty)).problems).toEqual([`${empty} holds no model; put one at <name>/model.yaml`]);
    await expect(checkModelStore(path.join(storeDir, 'nowhere'))).rejects.toThrow('cannot be read as a folder');
  });
});
