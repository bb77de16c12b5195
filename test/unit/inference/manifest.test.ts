import { imageSettings, tokenizerSettings } from '../../../src/inference/preprocessing/settings.js';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../../../src/app/data-dir.js';
import { readManifest, readSignatureFile } from '../../../src/inference/repository/model-manifest.js';

const sound = `title: Test
inputs:
  year: { unit: year, integer: true, minimum: 1980, maximum: 2030 }
  fuel:
    required: false
    values: [Diesel, Petrol]
outputs:
  price: { unit: INR }
`;

function problemsOf(source: string): readonly string[] {
  try {
    readManifest('test/model.yaml', source);
    return [];
  } catch (error) {
    return (error as { problems: string[] }).problems;
  }
}

describe('a manifest', () => {
  it('is parsed, with inputs required by default', () => {
    expect(readManifest('test/model.yaml', sound)).toEqual({
      title: 'Test',
      versions: 'all',
      serving: {
        maxBatch: 1024,
        windowMs: 0,
        maxQueue: 65_536,
        deadlineMs: 2000,
        staleSeconds: 0,
        cache: true,
        ttlSeconds: null,
        priority: 'normal',
        providers: ['cpu'],
        intraOpThreads: 1,
        maxRowBytes: 2 ** 24,
        maxCallBytes: 2 ** 25,
      },
      history: { share: 1, redactsInput: false },
      bind: [],
      inputs: {
        year: { unit: 'year', required: true, integer: true, minimum: 1980, maximum: 2030, closed: false },
        fuel: { required: false, integer: false, values: ['Diesel', 'Petrol'], closed: false },
      },
      outputs: { price: { unit: 'INR' } },
    });
  });

  it('has bindings with the places of their entries', () => {
    const bind = `bind:
  - type: Employee
    field: expectedSalary
    output: price
    inputs:
      year: age
      fuel: { yearsSince: hiredOn }
`;
    expect(readManifest('test/model.yaml', sound + bind).bind).toEqual([
      {
        type: 'Employee',
        field: 'expectedSalary',
        output: 'price',
        inputs: { year: { feature: 'age' }, fuel: { yearsSince: 'hiredOn' } },
        places: {
          type: 'test/model.yaml:10',
          field: 'test/model.yaml:11',
          output: 'test/model.yaml:12',
          target: 'test/model.yaml:10',
          'inputs.year': 'test/model.yaml:14',
          'inputs.fuel': 'test/model.yaml:15',
        },
      },
    ]);
    expect(
      problemsOf(
        sound + bind.replace('Employee', 'employee').replace('yearsSince', 'monthsSince').replace('field:', 'name:'),
      ),
    ).toEqual([
      'test/model.yaml:10: bind.0.type must be a name of the schema such as Employee',
      'test/model.yaml:10: bind.0.field is missing',
      'test/model.yaml:15: bind.0.inputs.fuel must be a feature such as jobLevel or department.name, or { yearsSince: hiredOn }',
      'test/model.yaml:11: bind.0.name is unknown; known keys are type, field, description, output, target, inputs',
    ]);
  });

  it('may be JSON', () => {
    expect(
      readManifest('test/model.json', '{"title": "Test", "inputs": {"a": {}}, "outputs": {"b": {"labels": ["x", 1]}}}'),
    ).toMatchObject({
      outputs: { b: { labels: ['x', '1'] } },
    });
  });

  it.each([
    [
      'an unknown key',
      sound.replace('unit: year', 'units: year'),
      'test/model.yaml:3: inputs.year.units is unknown; known keys are description, unit, values, required,',
    ],
    [
      'an unknown key at the top',
      `${sound}owner: me\n`,
      'test/model.yaml:9: owner is unknown; known keys are title, description, versions, ',
    ],
    [
      'a tolerance below 0',
      `${sound}tolerance: { relative: -1 }\n`,
      'test/model.yaml:9: tolerance.relative must be 0 or more',
    ],
    ['no title', sound.replace('title: Test\n', ''), 'test/model.yaml: title is missing'],
    [
      'a wrong type',
      sound.replace('required: false', 'required: maybe'),
      'test/model.yaml:5: inputs.fuel.required must be true or false',
    ],
    [
      'limits the wrong way round',
      sound.replace('1980', '2040'),
      'test/model.yaml:3: inputs.year.minimum must not be above maximum',
    ],
    [
      'a closed list without a list',
      sound.replace('values: [Diesel, Petrol]', 'closed: true'),
      'test/model.yaml:6: inputs.fuel.closed needs a list of values to close',
    ],
    [
      'a value twice',
      sound.replace('Petrol', 'Diesel'),
      'test/model.yaml:6: inputs.fuel.values must not name one twice',
    ],
    ['half a version', `${sound}current: 1.5\n`, 'test/model.yaml:9: current must be a whole number'],
    ['version 0', `${sound}current: 0\n`, 'test/model.yaml:9: current must be 1 or more'],
    ['a key twice', `${sound}title: Again\n`, 'test/model.yaml:9: Map keys must be unique'],
    [
      'a version past what GraphQL counts',
      `${sound}current: 2147483648\n`,
      'test/model.yaml:9: current must be 2147483647 or less',
    ],
    [
      'a list as a value',
      sound.replace('Petrol', '[Petrol]'),
      'test/model.yaml:6: inputs.fuel.values.1 must be text or a number',
    ],
    [
      'no list of labels',
      `${sound.trimEnd().slice(0, -1)}, labels: x }\n`,
      'test/model.yaml:8: outputs.price.labels must be a list',
    ],
    ['broken YAML', sound.replace('[Diesel, Petrol]', '[Diesel, Petrol'), 'test/model.yaml:'],
    ['nothing', '', 'test/model.yaml: the file must be an object'],
    ['a list', '- a\n', 'test/model.yaml: the file must be an object'],
    ['a number for a title', sound.replace('Test', '2020'), 'test/model.yaml:1: title must be text'],
    ['an alias to nowhere', sound.replace('Test', '*nowhere'), 'test/model.yaml'],
  ])('is rejected with %s, naming the line', (_, source, problem) => {
    expect(problemsOf(source)).toEqual([expect.stringContaining(problem)]);
  });

  it('configures served versions, a canary and a shadow', () => {
    const reported = [
      'versions: [2, 3, 4]',
      'current: 2',
      'serving: { max_batch: 64, window_ms: 2.5, max_queue: 100, deadline_ms: 500, stale_seconds: 60, ttl_seconds: 600, priority: high }',
      'canary: { version: 3, percent: 10, max_error_rate: 0.01, max_p95_ms: 50, min_calls: 100 }',
      'shadow: { version: 4, percent: 0.5 }',
    ];

    expect(readManifest('test/model.yaml', sound + reported.join('\n'))).toMatchObject({
      versions: [2, 3, 4],
      current: 2,
      serving: {
        maxBatch: 64,
        windowMs: 2.5,
        maxQueue: 100,
        deadlineMs: 500,
        staleSeconds: 60,
        cache: true,
        ttlSeconds: 600,
        priority: 'high',
      },
      canary: { version: 3, steps: [10], by: 'request', maxErrorRate: 0.01, maxP95Ms: 50, minCalls: 100 },
      shadow: { version: 4, percent: 0.5 },
    });
  });

  it.each([
    ['', { share: 1, redactsInput: false }],
    ['history: all', { share: 1, redactsInput: false }],
    ['history: none', { share: 0, redactsInput: false }],
    ['history: { sampled: 0.01 }', { share: 0.01, redactsInput: false }],
    ['history: { redact: [inputs] }', { share: 1, redactsInput: true }],
    ['history: { sampled: 0.5, redact: [inputs] }', { share: 0.5, redactsInput: true }],
  ])('decides which predictions are recorded: %s', (line, history) => {
    expect(readManifest('test/model.yaml', sound + line).history).toEqual(history);
  });

  it.each([
    ['some', 'history must be all, none, or an object with sampled'],
    ['[all]', 'history must be all, none, or an object with sampled'],
    ['{ sampled: 0 }', 'history.sampled must be above 0; write history: none'],
    ['{ sampled: 1.5 }', 'history.sampled must be 1 or less'],
    ['{ redact: [outputs] }', 'history must be all, none, or an object with sampled'],
    ['{ sample: 0.1 }', 'history.sample is unknown; known keys are sampled, redact'],
  ])('rejects a history of %s, naming the line and what is possible', (history, problem) => {
    expect(problemsOf(`${sound}history: ${history}`)).toEqual([
      expect.stringMatching(new RegExp(String.raw`^test/model\.yaml:\d+: ${problem}`)),
    ]);
  });

  it('fills in defaults of a canary', () => {
    expect(readManifest('test/model.yaml', `${sound}canary: { version: 2, percent: 5 }`).canary).toEqual({
      version: 2,
      steps: [5],
      by: 'request',
      maxErrorRate: 1,
      maxP95Ms: undefined,
      minCalls: 1000,
    });
  });

  it.each([
    ['versions: newest', 'versions must be all, latest, or a list of up to 100 version numbers'],
    ['versions: []', 'versions must name at least one'],
    ['versions: [0]', 'versions.0 must be 1 or more'],
    [
      `versions: [${Array.from({ length: 101 }, (_, index) => index + 1).join(', ')}]`,
      'versions must be all, latest, or a list of up to 100 version numbers',
    ],
    ['serving:', 'serving must be an object'],
    ['serving: { max_batch: 0 }', 'serving.max_batch must be 1 or more'],
    ['serving: { max_batch: 65537 }', 'serving.max_batch must be 65536 or less'],
    ['serving: { max_batch: 1.5 }', 'serving.max_batch must be a whole number'],
    ['serving: { window_ms: -1 }', 'serving.window_ms must be 0 or more'],
    ['serving: { window_ms: 1001 }', 'serving.window_ms must be 1000 or less'],
    ['serving: { window_ms: .inf }', 'serving.window_ms must be a number'],
    ['serving: { max_queue: 0 }', 'serving.max_queue must be 1 or more'],
    ['serving: { max_queue: 1000001 }', 'serving.max_queue must be 1000000 or less'],
    ['serving: { deadline_ms: 0 }', 'serving.deadline_ms must be 1 or more'],
    ['serving: { deadline_ms: 600001 }', 'serving.deadline_ms must be 600000 or less'],
    ['serving: { deadline_ms: soon }', 'serving.deadline_ms must be a number'],
    ['serving: { stale_seconds: -1 }', 'serving.stale_seconds must be 0 or more'],
    ['serving: { stale_seconds: 31536001 }', 'serving.stale_seconds must be 31536000 or less'],
    ['serving: { cache: maybe }', 'serving.cache must be true or false'],
    ['serving: { cache: false, ttl_seconds: 5 }', 'serving.ttl_seconds needs cache: true'],
    ['serving: { cache: false, stale_seconds: 5 }', 'serving.stale_seconds needs cache: true'],
    ['serving: { ttl_seconds: 0 }', 'serving.ttl_seconds must be 1 or more'],
    ['serving: { priority: urgent }', 'serving.priority must be low, normal, high'],
    ['serving: { maxBatch: 1 }', 'known keys are max_batch, window_ms, max_queue, deadline_ms, stale_seconds'],
    ['canary: { percent: 5 }', 'canary.version is missing'],
    ['canary: { version: 2 }', 'canary.percent or steps must be set, one of them'],
    ['canary: { version: 2, percent: 5, steps: [1, 5] }', 'canary.percent or steps must be set, one of them'],
    ['canary: { version: 2, steps: [] }', 'canary.steps must name at least one share'],
    ['canary: { version: 2, steps: [5, 5] }', 'canary.steps must rise from above 0: [1, 5, 25, 100]'],
    ['canary: { version: 2, steps: [0, 5] }', 'canary.steps must rise from above 0: [1, 5, 25, 100]'],
    ['canary: { version: 2, steps: [100] }', 'canary.steps must begin below 100'],
    [
      'canary: { version: 2, steps: [5, 75, 100] }',
      'canary.steps.1 must be 50 or less, or 100: with more, too few calls',
    ],
    ['canary: { version: 2, steps: [5, 101] }', 'canary.steps.1 must be 50 or less, or 100: with more, too few calls'],
    [
      'canary: { version: 2, percent: 5, by: tenant }',
      'canary.by must be request, user, or header: and the name of a header',
    ],
    [
      "canary: { version: 2, percent: 5, by: 'header:' }",
      'canary.by must be request, user, or header: and the name of a header',
    ],
    ['canary: { version: 0, percent: 5 }', 'canary.version must be 1 or more'],
    ['canary: { version: 2, percent: -1 }', 'canary.percent must be 0 or more'],
    ['canary: { version: 2, percent: 50.1 }', 'canary.percent must be 50 or less: with more, too few calls are left'],
    ['canary: { version: 2, percent: 100 }', 'canary.percent must be 50 or less: with more, too few calls are left'],
    ['canary: { version: 2, percent: 5, max_error_rate: -0.1 }', 'canary.max_error_rate must be 0 or more'],
    ['canary: { version: 2, percent: 5, max_error_rate: 5 }', 'canary.max_error_rate must be 1 or less'],
    ['canary: { version: 2, percent: 5, max_p95_ms: 0 }', 'canary.max_p95_ms must be 1 or more'],
    ['canary: { version: 2, percent: 5, max_p95_ms: 600001 }', 'canary.max_p95_ms must be 600000 or less'],
    ['canary: { version: 2, percent: 5, min_calls: 0 }', 'canary.min_calls must be 1 or more'],
    ['canary: { version: 2, percent: 5, min_calls: 1000001 }', 'canary.min_calls must be 1000000 or less'],
    [
      'canary: { version: 2, percent: 5, share: 1 }',
      'known keys are version, percent, steps, by, max_error_rate, max_p95_ms, min_calls',
    ],
    ['shadow: { version: 2 }', 'shadow.percent is missing'],
    ['shadow: { version: two, percent: 1 }', 'shadow.version must be a number'],
    ['shadow: { version: 2, percent: 100.5 }', 'shadow.percent must be 100 or less'],
    [
      'shadow: { version: 2, percent: 1, min_calls: 1 }',
      'shadow.min_calls is unknown; known keys are version, percent',
    ],
  ])('is rejected with %s', (line, problem) => {
    expect(problemsOf(`${sound}${line}\n`)).toEqual([expect.stringContaining(problem)]);
    expect(problemsOf(`${sound}${line}\n`)[0]).toMatch(/^test\/model.yaml:9: /);
  });

  it('reports all errors at once', () => {
    expect(problemsOf('title: ""\ncurrent: x\ninputs: {a: {min: 1}}\n')).toEqual([
      'test/model.yaml:1: title must not be empty',
      'test/model.yaml:2: current must be a number',
      expect.stringContaining('test/model.yaml:3: inputs.a.min is unknown'),
      'test/model.yaml: outputs is missing',
    ]);
  });

  it('rejects excessive alias expansion', () => {
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x, x]',
      ...[...'bcdefghij'].map(
        (name, index) => `${name}: &${name} [${Array(10).fill(`*${'abcdefghi'[index]}`).join(', ')}]`,
      ),
    ].join('\n');

    expect(problemsOf(bomb)).toEqual([expect.stringContaining('alias')]);
  });
});

describe('the signature of one version', () => {
  it('has inputs and outputs like a manifest', () => {
    expect(readSignatureFile('test/2/signature.yaml', sound.replace('title: Test\n', ''))).toEqual({
      inputs: readManifest('test/model.yaml', sound).inputs,
      outputs: readManifest('test/model.yaml', sound).outputs,
    });
  });

  it('is rejected with extra, missing or invalid keys, naming the line', () => {
    const problems = (source: string) => {
      try {
        return readSignatureFile('test/2/signature.yaml', source);
      } catch (error) {
        return (error as { problems: string[] }).problems;
      }
    };

    expect(problems('title: x\ninputs: { a: { unit: 5 } }\n')).toEqual([
      'test/2/signature.yaml:2: inputs.a.unit must be text; put it in quotes where YAML takes it for something else',
      'test/2/signature.yaml: outputs is missing',
      'test/2/signature.yaml:1: title is unknown; known keys are inputs, outputs',
    ]);
    expect(problems('inputs: { a: { limit: 1 } }\noutputs: {}\n')).toEqual([
      expect.stringContaining(
        'test/2/signature.yaml:1: inputs.a.limit is unknown; known keys are description, unit, values, required',
      ),
    ]);
    expect(problems('')).toEqual(['test/2/signature.yaml: the file must be an object']);
  });
});

describe('the guide to adding a model', () => {
  const guide = readFileSync(path.join(projectDir, 'docs', 'adding-a-model.md'), 'utf8');
  const blocks = [...guide.matchAll(/^```yaml ?(\S*)\n([^]*?)^```$/gm)].map(([, name = '', source = '']) => ({
    name,
    source,
  }));

  it('contains valid manifests and a valid signature', () => {
    const names = ['models/delivery-minutes/model.yaml', '', 'signature', 'image', 'tokenizer'];
    expect(blocks.map(({ name }) => name)).toEqual(names);
    const outputs = blocks.map(({ name, source }) => {
      const read = ['signature', 'image', 'tokenizer'].includes(name) ? readSignatureFile : readManifest;
      return Object.keys(read('guide', source).outputs).join();
    });
    expect(outputs).toEqual(['minutes', 'minutes', 'minutes', 'scores', 'logits']);
  });

  it('names every key of preprocess', () => {
    const keys = [...Object.keys(imageSettings.shape), ...Object.keys(tokenizerSettings.shape)];
    expect(keys.filter((key) => key !== 'kind' && !guide.includes(`\`${key}\``))).toEqual([]);
  });

  it('names every key of a manifest', () => {
    const { canary, serving, shadow, ...reported } = readManifest('guide', blocks[1]?.source ?? '');
    const snake = (key: string) => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const keys = [
      ...Object.keys(reported).filter((key) => !['inputs', 'outputs'].includes(key)),
      ...Object.entries({ canary, serving, shadow }).flatMap(([section, inner]) =>
        Object.keys(inner ?? {}).map((key) => `${section}.${snake(key)}`),
      ),
      ...['description', 'unit', 'required', 'integer', 'minimum', 'maximum', 'values', 'closed', 'labels'].map(
        (key) => `….${key}`,
      ),
    ];

    expect(keys).toHaveLength(34);
    keys.push('canary.percent');
    expect(keys.filter((key) => !guide.includes(`\`${key}\``))).toEqual([]);
  });
});
