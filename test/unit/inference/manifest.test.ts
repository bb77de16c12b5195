import { readManifest } from '../../../src/inference/manifest.js';

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
  it('says what it says, and an input is required unless it says otherwise', () => {
    expect(readManifest('test/model.yaml', sound)).toEqual({
      title: 'Test',
      inputs: {
        year: { unit: 'year', required: true, integer: true, minimum: 1980, maximum: 2030, closed: false },
        fuel: { required: false, integer: false, values: ['Diesel', 'Petrol'], closed: false },
      },
      outputs: { price: { unit: 'INR' } },
    });
  });

  it('may be JSON', () => {
    expect(readManifest('test/model.json', '{"title": "Test", "inputs": {"a": {}}, "outputs": {"b": {"labels": ["x", 1]}}}')).toMatchObject(
      {
        outputs: { b: { labels: ['x', '1'] } },
      },
    );
  });

  it.each([
    [
      'an unknown key',
      sound.replace('unit: year', 'units: year'),
      'test/model.yaml:3: inputs.year.units is not known; known here are description, unit, values, required,',
    ],
    [
      'an unknown key at the top',
      `${sound}owner: me\n`,
      'test/model.yaml:9: owner is not known; known here are title, description, current, inputs, outputs',
    ],
    ['no title', sound.replace('title: Test\n', ''), 'test/model.yaml: title is missing'],
    ['a wrong type', sound.replace('required: false', 'required: maybe'), 'test/model.yaml:5: inputs.fuel.required must be true or false'],
    ['limits the wrong way round', sound.replace('1980', '2040'), 'test/model.yaml:3: inputs.year.minimum must not be above maximum'],
    [
      'a closed list without a list',
      sound.replace('values: [Diesel, Petrol]', 'closed: true'),
      'test/model.yaml:6: inputs.fuel.closed needs a list of values to close',
    ],
    ['a value twice', sound.replace('Petrol', 'Diesel'), 'test/model.yaml:6: inputs.fuel.values must not name one twice'],
    ['half a version', `${sound}current: 1.5\n`, 'test/model.yaml:9: current must be a whole number'],
    ['version 0', `${sound}current: 0\n`, 'test/model.yaml:9: current must be 1 or more'],
    ['a key twice', `${sound}title: Again\n`, 'test/model.yaml:9: Map keys must be unique'],
    ['broken YAML', sound.replace('[Diesel, Petrol]', '[Diesel, Petrol'), 'test/model.yaml:'],
    ['nothing', '', 'test/model.yaml: the file must be an object'],
    ['a list', '- a\n', 'test/model.yaml: the file must be an object'],
    ['a number for a title', sound.replace('Test', '2020'), 'test/model.yaml:1: title must be text'],
    ['an alias to nowhere', sound.replace('Test', '*nowhere'), 'test/model.yaml'],
  ])('with %s is refused, and the line is named', (_, source, problem) => {
    expect(problemsOf(source)).toEqual([expect.stringContaining(problem)]);
  });

  it('tells all its faults at once', () => {
    expect(problemsOf('title: ""\ncurrent: x\ninputs: {a: {min: 1}}\n')).toEqual([
      'test/model.yaml:1: title must not be empty',
      'test/model.yaml:2: current must be a number',
      expect.stringContaining('test/model.yaml:3: inputs.a.min is not known'),
      'test/model.yaml: outputs is missing',
    ]);
  });

  it('does not unfold aliases without end', () => {
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x, x]',
      ...[...'bcdefghij'].map((name, index) => `${name}: &${name} [${Array(10).fill(`*${'abcdefghi'[index]}`).join(', ')}]`),
    ].join('\n');

    expect(problemsOf(bomb)).toEqual([expect.stringContaining('alias')]);
  });
});
