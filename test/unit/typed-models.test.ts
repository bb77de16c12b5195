import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import {
  buildSchema,
  graphql,
  GraphQLObjectType,
  GraphQLSchema,
  isNamedType,
  printType,
  type GraphQLError,
  type GraphQLNamedType,
} from 'graphql';
import type { PredictionRequest } from '../../src/domains/prediction/prediction.service.js';
import type { PredictionRow } from '../../src/domains/prediction/prediction.types.js';
import { typedField } from '../../src/typed-models/typed-field.js';
import { typedPredictions } from '../../src/domains/prediction/typed-predictions.js';
import { namingProblems, typingProblems } from '../../src/typed-models/naming-problems.js';
import { fieldNameOf, queryNameOf, typeNameOf } from '../../src/typed-models/names.js';
import { shapeOf, typedModel } from '../../src/typed-models/typed-model.js';
import type { InputField, Model, ModelVersion, OutputField, Predictor } from '../../src/inference/serving/predictor.js';
import { BadUserInput } from '../../src/errors/app-error.js';

const base = buildSchema(`
  enum OnInvalid { FAIL NULL }
  interface PredictionResult { version: Int! durationMs: Float! }
  type Prediction implements PredictionResult { id: ID! version: Int! durationMs: Float! output: String }
  input CreateEmployeeInput { name: String! }
  type Query { predict(model: String!): [Prediction!]! predictThings: Int }
`);

const input = (name: string, more: Partial<InputField> = {}): InputField => ({
  name,
  type: 'float',
  shape: [null, 1],
  rowShape: [],
  required: true,
  tensorType: 'float32',
  isClosed: false,
  ...more,
});

const output = (name: string, more: Partial<OutputField> = {}): OutputField => ({
  name,
  type: 'float',
  shape: [null, 1],
  rowShape: [],
  required: true,
  tensorType: 'float32',
  labels: null,
  ...more,
});

const text = { type: 'string', tensorType: 'string' } as const;
const integer = { type: 'integer', tensorType: 'int64' } as const;

function modelOf(
  name: string,
  inputs: InputField[],
  outputs: OutputField[] = [output('estimate')],
  others: ModelVersion[] = [],
): Model {
  const current = { version: 9, inputs, outputs, digest: 'd', metrics: null } as unknown as ModelVersion;
  return {
    name,
    title: `The model ${name}`,
    versions: [...others, current],
    current,
    canary: null,
    isTyped: true,
    shadow: null,
    history: { share: 1, redactsInput: false },
    problems: [],
    manifestVersion: 9,
    bindings: [],
    overrides: [],
  };
}

/** The types generated for a model, by name. */
function typesOf(model: Model): Record<string, GraphQLNamedType> {
  const field = typedField(typedModel(model), base, () => Promise.resolve([]));
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { [queryNameOf(model.name)]: field } }),
  });
  return { ...schema.getTypeMap() };
}

function printed(model: Model, name: string): string {
  const type = typesOf(model)[name];
  if (!isNamedType(type)) throw new Error(`${name} is not there`);
  return printType(type);
}

/** The printed type of each field. */
function fieldsOf(model: Model, name: string): Record<string, string> {
  const type = typesOf(model)[name];
  if (!type || !('getFields' in type)) throw new Error(`${name} has no fields`);
  return Object.fromEntries(Object.values(type.getFields()).map((field) => [field.name, String(field.type)]));
}

function descriptionsOf(model: Model, name: string): Record<string, string> {
  const type = typesOf(model)[name];
  if (!type || !('getFields' in type)) throw new Error(`${name} has no fields`);
  return Object.fromEntries(Object.values(type.getFields()).map((field) => [field.name, field.description ?? '']));
}

describe('naming', () => {
  it.each([
    ['km_driven', 'kmDriven'],
    ['kmDriven', 'kmDriven'],
    ['KM_DRIVEN', 'kmDriven'],
    ['max-power.bhp', 'maxPowerBhp'],
    ['sepal length (cm)', 'sepalLengthCm'],
    ['URLPath', 'urlPath'],
    ['MaxPower', 'maxPower'],
    ['x', 'x'],
    ['X1', 'x1'],
    ['_private__name_', 'privateName'],
    ['level_2', 'level2'],
  ])('converts the field name %s to %s', (raw, name) => {
    expect(fieldNameOf(raw)).toBe(name);
  });

  it.each([
    ['car-price', 'CarPrice'],
    ['car_price', 'CarPrice'],
    ['iris', 'Iris'],
    ['BERT-base.v2', 'BertBaseV2'],
    ['carPrice', 'CarPrice'],
  ])('prefixes the type names of the model %s with %s', (raw, name) => {
    expect(typeNameOf(raw)).toBe(name);
    expect(queryNameOf(raw)).toBe(`predict${name}`);
  });
});

describe('the typed fields of a model', () => {
  it('include one input field per input, optional if the model accepts missing values', () => {
    const model = modelOf('car-price', [
      input('km_driven'),
      input('engine_cc', { required: false }),
      input('is_new', { type: 'boolean', tensorType: 'bool' }),
      input('note', text),
    ]);
    expect(fieldsOf(model, 'CarPriceInput')).toEqual({
      kmDriven: 'Float',
      km_driven: 'Float',
      engineCc: 'Float',
      engine_cc: 'Float',
      isNew: 'Boolean',
      is_new: 'Boolean',
      note: 'String!',
    });
    expect(descriptionsOf(model, 'CarPriceInput')).toMatchObject({
      kmDriven: 'The input km_driven. Required, unless km_driven is given.',
      km_driven: 'The same as kmDriven, in the spelling of `predict`; send one of them.',
      engineCc: 'The input engine_cc.',
    });
  });

  it('have one spelling of an input whose name in the model is not a name in GraphQL', () => {
    expect(fieldsOf(modelOf('m', [input('sepal length (cm)'), input('__x')]), 'MInput')).toEqual({
      sepalLengthCm: 'Float!',
      x: 'Float!',
    });
  });

  it('represent integers as Int if 32 bits suffice, otherwise as SafeInt or Int64', () => {
    const model = modelOf('m', [
      input('limited', { ...integer, minimum: 0, maximum: 3_000_000 }),
      input('half_limited', { ...integer, minimum: 0 }),
      input('too_wide', { ...integer, minimum: 0, maximum: 2 ** 31 }),
      input('just_right', { ...integer, minimum: -(2 ** 31), maximum: 2 ** 31 - 1 }),
      input('small', { type: 'integer', tensorType: 'int32' }),
      input('chosen', { ...integer, values: ['1', '2'], isClosed: true }),
      input('suggested', { ...integer, values: ['1', '2'] }),
    ]);
    expect(fieldsOf(model, 'MInput')).toEqual({
      limited: 'Int!',
      halfLimited: 'SafeInt',
      half_limited: 'SafeInt',
      tooWide: 'SafeInt',
      too_wide: 'SafeInt',
      justRight: 'Int',
      just_right: 'Int',
      small: 'Int!',
      chosen: 'Int!',
      suggested: 'SafeInt!',
    });
    const responses = modelOf(
      'm',
      [input('a')],
      [
        output('digit', { ...integer, values: ['0', '9'] }),
        output('count', integer),
        output('large', { ...integer, values: ['3000000000'] }),
      ],
    );
    expect(fieldsOf(responses, 'MPrediction')).toMatchObject({ digit: 'Int!', count: 'Int64!', large: 'Int64!' });
  });

  it('nest lists to the rank of the tensor', () => {
    const model = modelOf(
      'digits',
      [input('pixels', { shape: [null, 8, 8], rowShape: [8, 8] }), input('words', { ...text, rowShape: [4] })],
      [output('embedding', { rowShape: [null] }), output('maps', { rowShape: [2, null, 3] }), output('one')],
    );
    expect(fieldsOf(model, 'DigitsInput')).toEqual({ pixels: '[[Float!]!]!', words: '[String!]!' });
    expect(fieldsOf(model, 'DigitsPrediction')).toMatchObject({
      embedding: '[Float!]!',
      maps: '[[[Float!]!]!]!',
      one: 'Float!',
    });
    expect(descriptionsOf(model, 'DigitsInput').pixels).toBe('The input pixels. 8 lists of 8 values.');
  });

  it('return labelled numbers as ClassProbability, and other labelled values as a list', () => {
    const model = modelOf(
      'iris',
      [input('a')],
      [
        output('probabilities', { rowShape: [2], labels: ['setosa', 'virginica'], values: ['setosa', 'virginica'] }),
        output('votes', {
          ...integer,
          rowShape: [2],
          labels: ['setosa', 'virginica'],
          values: ['setosa', 'virginica'],
        }),
      ],
    );
    expect(fieldsOf(model, 'IrisPrediction')).toMatchObject({
      probabilities: '[ClassProbability!]!',
      votes: '[Int64!]!',
    });
    expect(descriptionsOf(model, 'IrisPrediction').votes).toBe('The output votes. In this order: setosa, virginica.');
  });

  it('have an enum if all values are valid names, described as open if it is', () => {
    const model = modelOf(
      'car-price',
      [
        input('transmission', { ...text, values: ['Automatic', 'Manual'], isClosed: true }),
        input('fuel', { ...text, values: ['CNG', 'Diesel'], required: false }),
      ],
      [output('species', { ...text, values: ['setosa'] })],
    );
    expect(fieldsOf(model, 'CarPriceInput')).toEqual({ transmission: 'CarPriceTransmission!', fuel: 'CarPriceFuel' });
    expect(fieldsOf(model, 'CarPricePrediction')).toMatchObject({ species: 'CarPriceSpecies!' });
    expect(printed(model, 'CarPriceTransmission')).toBe(
      '"""Known values of transmission of car-price."""\nenum CarPriceTransmission {\n  """The value Automatic of transmission."""\n  Automatic\n\n  """The value Manual of transmission."""\n  Manual\n}',
    );
    expect(descriptionsOf(model, 'CarPriceInput').fuel).toBe('The input fuel. `predict` accepts other values too.');
    expect(typesOf(model).CarPriceFuel?.description).toBe(
      'Known values of fuel of car-price. `predict` accepts other values too.',
    );
  });

  it.each(['Ashok Leyland', 'true', 'null', '__typename', '2020', 'Škoda'])(
    'have no enum where a value is %j',
    (value) => {
      const model = modelOf('m', [
        input('known', { ...text, values: ['Audi', value] }),
        input('closed', { ...text, values: ['Audi', value], isClosed: true }),
      ]);
      expect(fieldsOf(model, 'MInput')).toEqual({ known: 'String!', closed: 'String!' });
      expect(descriptionsOf(model, 'MInput')).toEqual({
        known: `The input known. Known values: Audi, ${value}.`,
        closed: `The input closed. One of: Audi, ${value}.`,
      });
    },
  );

  it('share an enum between an input and an output with the same values', () => {
    const values = { ...text, values: ['low', 'high'] };
    const model = modelOf('m', [input('level', values)], [output('level', values)]);
    expect(namingProblems([model], base)).toEqual([]);
    expect(fieldsOf(model, 'MInput').level).toBe(fieldsOf(model, 'MPrediction').level);
  });

  it('allow null elements of a list where the manifest does', () => {
    const list = { shape: [null, 2], rowShape: [2] };
    const model = modelOf('m', [input('some', { ...list, hasNullableElements: true }), input('all', list)]);
    expect(fieldsOf(model, 'MInput')).toMatchObject({ some: '[Float]!', all: '[Float!]!' });
    expect(descriptionsOf(model, 'MInput').some).toContain('A missing value is null.');
  });

  it('describe the meaning, unit and range of a value in sentences', () => {
    const model = modelOf('m', [
      input('km_driven', { description: 'Distance driven so far.', unit: 'km', minimum: 0, maximum: 3_000_000 }),
      input('a', { description: 'No full stop', minimum: 2 }),
      input('b', { maximum: -1 }),
      input('c', { ...text, values: Array.from({ length: 60 }, (_none, index) => `no. ${index}`) }),
    ]);
    const reported = descriptionsOf(model, 'MInput');
    expect(reported).toMatchObject({
      kmDriven: 'Distance driven so far. Unit: km. From 0 to 3000000. Required, unless km_driven is given.',
      a: 'No full stop. 2 or more.',
      b: 'The input b. -1 or less.',
    });
    expect(reported.c).toMatch(/no\. 49, and 10 more\.$/);
  });

  it('differ in shape only if one cannot be queried with the fields of the other', () => {
    const shape = (inputs: InputField[], outputs?: OutputField[]): string =>
      shapeOf(typedModel(modelOf('m', inputs, outputs)));
    const first = shape([input('a', { description: 'One thing.', unit: 'cm', minimum: 1 })]);
    expect(shape([input('a', { description: 'Another.', maximum: 9 })])).toBe(first);
    expect(shape([input('a', { required: false })])).not.toBe(first);
    expect(shape([input('a', integer)])).not.toBe(first);
    expect(shape([input('a'), input('b')])).not.toBe(first);
    expect(shape([input('A')])).not.toBe(first);
    expect(shape([input('a')], [output('estimate', { rowShape: [2] })])).not.toBe(first);
    expect(shape([input('a')], [output('estimate', { rowShape: [2], labels: ['x', 'y'] })])).not.toBe(
      shape([input('a')], [output('estimate', { rowShape: [2], labels: ['x', 'z'] })]),
    );
    // Only predictions of money have outputIn, whatever the currency.
    const inEuros = shape([input('a')], [output('estimate', { unit: 'EUR' })]);
    expect(inEuros).not.toBe(first);
    expect(shape([input('a')], [output('estimate', { unit: 'USD' })])).toBe(inEuros);
    expect(shape([input('a')], [output('estimate', { unit: 'km' })])).toBe(first);
  });
});

describe('name conflicts', () => {
  const problems = (...models: Model[]): string[] => [
    ...models.flatMap((model) => typingProblems(model, base)),
    ...namingProblems(models, base).flatMap((one) => one.problems),
  ];

  it('do not occur for valid names', () => {
    expect(problems(modelOf('car-price', [input('km_driven')]), modelOf('iris', [input('petal_length')]))).toEqual([]);
  });

  it('do not occur for names that are valid in GraphQL as they are', () => {
    const model = modelOf('m', [input('_0'), input('_1'), input('_')], [output('_2')]);
    expect(problems(model)).toEqual([]);
    expect(typedModel(model).inputs.map(({ name }) => name)).toEqual(['_0', '_1', '_']);
  });

  it('keep a model out of the schema, and of the collisions of others', () => {
    const invalid = { ...modelOf('m', [input('größe')]), isTyped: false };
    const models = [invalid, modelOf('M', [input('a')])];
    expect(namingProblems(models, base)).toEqual([]);
    const extension = typedPredictions(
      { models: () => models, model: () => null, onChange: () => () => undefined },
      () => Promise.resolve([]),
    );
    expect(Object.values(extension.queries(base)).map(({ description }) => description)).toEqual([
      expect.stringContaining('Runs M'),
    ]);
  });

  it('are reported for colliding inputs or outputs', () => {
    expect(problems(modelOf('car-price', [input('km_driven'), input('kmDriven')]))).toEqual([
      'car-price/model.yaml: the inputs km_driven and kmDriven both become kmDriven; rename one',
    ]);
    expect(problems(modelOf('m', [input('a')], [output('x_y'), output('x.y')]))).toEqual([
      'm/model.yaml: the outputs x_y and x.y both become xY; rename one',
    ]);
  });

  it('are reported for an output that collides with a field of every prediction', () => {
    expect(
      problems(modelOf('m', [input('id')], [output('id'), output('prediction_id'), output('duration_ms')])),
    ).toEqual([
      'm/model.yaml: the output id becomes id, which every prediction already has; rename it',
      'm/model.yaml: the output prediction_id becomes predictionId, which every prediction already has; rename it',
      'm/model.yaml: the output duration_ms becomes durationMs, which every prediction already has; rename it',
    ]);
  });

  it('are reported for an output that collides with outputIn', () => {
    expect(problems(modelOf('m', [input('a')], [output('output_in')]))).toEqual([]);
    expect(problems(modelOf('m', [input('a')], [output('output_in'), output('price', { unit: 'EUR' })]))).toEqual([
      'm/model.yaml: the output output_in becomes outputIn, which every prediction already has; rename it',
    ]);
  });

  it('are reported once for two colliding models, for the later one', () => {
    expect(namingProblems([modelOf('car-price', [input('a')]), modelOf('car_price', [input('a')])], base)).toEqual([
      {
        model: 'car_price',
        problems: [
          'car_price/model.yaml: the models car-price and car_price both become CarPrice; rename one of the folders',
        ],
      },
    ]);
  });

  it('are reported for a model that collides with a type or root field of the schema', () => {
    expect(problems(modelOf('create-employee', [input('a')]))).toEqual([
      'create-employee/model.yaml: the model create-employee would be CreateEmployeeInput, which already exists in the schema; rename it',
    ]);
    expect(problems(modelOf('things', [input('a')]))).toEqual([
      'things/model.yaml: the model things would be predictThings, which already exists in the schema; rename it',
    ]);
    expect(problems(modelOf('class', [input('probability', { ...text, values: ['x'] })]))).toEqual([
      'class/model.yaml: the values of probability of the model class would be ClassProbability, which already exists in the schema; rename it',
    ]);
  });

  it('are reported for enums that collide with other types, in one model and in two', () => {
    const values = { ...text, values: ['x'] };
    expect(problems(modelOf('m', [input('input', values)]))).toEqual([
      'm/model.yaml: the model m and the values of input of the model m would both be MInput; rename one',
    ]);
    expect(problems(modelOf('m', [input('level', values)], [output('level', { ...text, values: ['y'] })]))).toEqual([
      'm/model.yaml: the values of level of the model m and the values of level of the model m would both be MLevel; rename one',
    ]);
    expect(problems(modelOf('car', [input('price_input', values)]), modelOf('car-price', [input('a')]))).toEqual([
      'car-price/model.yaml: the model car-price and the values of price_input of the model car would both be CarPriceInput; rename one',
    ]);
  });

  it.each([
    ['2nd_owner', 'would be 2ndOwner, which starts with a digit'],
    ['größe', 'would be größe; GraphQL names contain only A to Z, digits and _'],
    ['--', 'has no letter or digit'],
    ['__', 'has no letter or digit'],
  ])('are reported for the input %s', (name, reason) => {
    expect(problems(modelOf('m', [input(name)]))).toEqual([
      `m/model.yaml: the input ${JSON.stringify(name)} ${reason}; rename it`,
    ]);
  });

  it('are reported for a model whose name begins with a digit', () => {
    expect(problems(modelOf('3d-shapes', [input('a')]))).toEqual([
      expect.stringContaining('the model "3d-shapes" would be 3dShapes, which starts with a digit; rename it'),
    ]);
  });

  it('are found in every version, because each can serve, and reported once', () => {
    const old = modelOf('m', [input('x_y'), input('xY')]).current;
    expect(problems(modelOf('m', [input('a')], undefined, [old, { ...old, version: 2 }]))).toEqual([
      'm/model.yaml: the inputs x_y and xY both become xY; rename one',
    ]);
  });
});

describe('a typed prediction field', () => {
  const shaped = (version: number, inputs: InputField[]): ModelVersion => ({
    ...modelOf('m', inputs).current,
    version,
  });
  const first = shaped(1, [input('km_driven')]);
  const second = shaped(2, [input('km_driven', { description: 'Other words.' })]);
  const other = shaped(3, [input('km_driven'), input('year')]);
  const canaryOf = (version: number, stopped: string | null = null) => ({
    version,
    percent: 50,
    steps: [50],
    by: 'request' as const,
    maxErrorRate: 1,
    minCalls: 1,
    calls: 0,
    failures: 0,
    slowCalls: 0,
    currentCalls: 0,
    currentFailures: 0,
    stopped,
  });

  const served = (versions: ModelVersion[], current: ModelVersion, more: Partial<Model> = {}): Model => ({
    ...modelOf('m', []),
    versions,
    current,
    ...more,
  });

  /** Calls the field generated from `made` while `now` is served. @returns the requests to the model, and the errors */
  async function execute(
    made: Model,
    now: Model | null,
    version?: number,
    rejection?: Error,
  ): Promise<{ requested: PredictionRequest[]; errors: readonly GraphQLError[] }> {
    const requested: PredictionRequest[] = [];
    const predictor = { models: () => [made], model: () => now, onChange: () => () => undefined };
    const extension = typedPredictions(predictor, (request) => {
      requested.push(request);
      return rejection
        ? Promise.reject(rejection)
        : Promise.resolve([{ output: { estimate: 1 } } as unknown as PredictionRow]);
    });
    const schema = new GraphQLSchema({
      query: new GraphQLObjectType({ name: 'Query', fields: extension.queries(base) }),
    });
    const source = 'query ($version: Int) { predictM(inputs: [{ kmDriven: 5 }], version: $version) { estimate } }';
    const { errors = [] } = await graphql({ schema, source, variableValues: { version } });
    return { requested, errors };
  }

  it('passes rows as they were sent', async () => {
    const model = served([first], first);
    expect(await execute(model, model)).toEqual({
      requested: [{ model: 'm', version: null, rows: [{ kmDriven: 5 }], onInvalid: 'FAIL' }],
      errors: [],
    });
  });

  it('translates field names in row errors, and keeps errors of the call', async () => {
    const model = served([first], first);
    const rejection = BadUserInput.ofFields([
      { row: 0, field: 'km_driven', message: 'is required' },
      { row: 0, field: 'km_driven[3][1]', message: 'must be a number; km_driven[3] has 7' },
      { row: 1, field: 'estimate', message: 'has no finite value' },
      { field: 'inputs', message: 'must have 1 to 1000 rows' },
    ]);
    const { errors } = await execute(model, model, undefined, rejection);
    expect(errors[0]?.extensions.fields).toEqual([
      { row: 0, field: 'kmDriven', message: 'is required' },
      { row: 0, field: 'kmDriven[3][1]', message: 'must be a number; kmDriven[3] has 7' },
      { row: 1, field: 'estimate', message: 'has no finite value' },
      { field: 'inputs', message: 'must have 1 to 1000 rows' },
    ]);
    expect((await execute(model, model, undefined, new Error('unavailable'))).errors[0]?.message).toBe('unavailable');
  });

  it('accepts a version of the same shape, and leaves an unknown version to the model to reject', async () => {
    const model = served([first, second, other], second);
    expect((await execute(model, model, 1)).requested).toMatchObject([{ version: 1 }]);
    expect((await execute(model, model, 7)).requested).toMatchObject([{ version: 7 }]);
  });

  it('rejects a version of another shape and names the field that accepts it', async () => {
    const model = served([first, second, other], second);
    const { requested, errors } = await execute(model, model, 3);
    expect(requested).toEqual([]);
    expect(errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      fields: [
        {
          field: 'version',
          message: '3 of m has other inputs or outputs than predictM; use predict(model: "m", version: 3)',
        },
      ],
    });
  });

  it('leaves the version open if a canary has the same shape, otherwise requests the current version', async () => {
    const same = served([first, second], first, { canary: canaryOf(2) });
    expect((await execute(same, same)).requested).toMatchObject([{ version: null }]);
    const different = served([first, other], first, { canary: canaryOf(3) });
    expect((await execute(different, different)).requested).toMatchObject([{ version: 1 }]);
    const stopped = served([first, other], first, { canary: canaryOf(3, 'too slow') });
    expect((await execute(stopped, stopped)).requested).toMatchObject([{ version: null }]);
  });

  it('requests the version it was generated from if one of another shape has become current', async () => {
    expect((await execute(served([first], first), served([first, other], other))).requested).toMatchObject([
      { version: 1 },
    ]);
  });

  it('returns CONFLICT if no version has the shape any longer, and leaves a removed model to the predictor', async () => {
    const { requested, errors } = await execute(served([first], first), served([other], other));
    expect(requested).toEqual([]);
    expect(errors[0]?.extensions.code).toBe('CONFLICT');
    expect((await execute(served([first], first), null)).requested).toMatchObject([{ version: null }]);
  });
});

describe('the outputs of a typed field', () => {
  /** The response to rows with these outputs. */
  async function outputs(fields: OutputField[], rows: (Record<string, unknown> | Error | null)[]) {
    const field = typedField(typedModel(modelOf('m', [input('a')], fields)), base, () =>
      Promise.resolve(rows.map((row) => (row === null || row instanceof Error ? row : { output: row }))),
    );
    const schema = new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields: { predictM: field } }) });
    const selected = fields.map(({ name, labels, type }) =>
      labels && type === 'float' ? `${name} { label probability }` : name,
    );
    const source = `{ predictM(inputs: [{ a: 1 }]) { ${selected.join(' ')} } }`;
    const { data, errors = [] } = await graphql({ schema, source });
    return {
      rows: JSON.parse(JSON.stringify(data?.predictM ?? null)) as unknown,
      errors: errors.map(({ path, originalError }) => ({
        path,
        fields: originalError instanceof BadUserInput ? originalError.fields : originalError,
      })),
    };
  }

  it('are 64 bit integers: numbers up to 2^53, strings beyond', async () => {
    const count = output('count', integer);
    const values = [5, -(2 ** 53) + 1, '9007199254740993', '-9223372036854775808'];
    expect(
      await outputs(
        [count],
        values.map((value) => ({ count: value })),
      ),
    ).toEqual({ rows: values.map((value) => ({ count: value })), errors: [] });
  });

  it.each([
    ['a text outside the declared values', output('level', { ...text, values: ['low', 'high'] }), 'low', '_Unused'],
    ['an integer outside the declared range', output('level', { ...integer, values: ['0', '1'] }), 1, 3_000_000_000],
    ['a 64 bit integer', output('level', { ...integer, values: ['0', '1'] }), 0, '9007199254740993'],
    [
      'an element of a list',
      output('level', { ...text, values: ['low', 'high'], rowShape: [2] }),
      ['low', 'high'],
      ['low', 'other'],
    ],
  ])('are an error of their row alone for %s', async (_what, field, valid, invalid) => {
    const { rows, errors } = await outputs([field], [{ level: valid }, { level: invalid }, { level: valid }]);
    expect(rows).toEqual([{ level: valid }, null, { level: valid }]);
    expect(errors).toEqual([
      {
        path: ['predictM', 1, 'level'],
        fields: [
          { row: 1, field: 'level', message: expect.stringMatching(/^is .+, which the model does not declare/) },
        ],
      },
    ]);
  });

  it('are in the order of the labels, also for integers', async () => {
    const labels = ['b', '1'];
    expect(
      await outputs(
        [output('votes', { ...integer, rowShape: [2], labels }), output('scores', { rowShape: [2], labels })],
        [{ votes: { 1: 7, b: 8 }, scores: { 1: 0.25, b: 0.75 } }],
      ),
    ).toEqual({
      rows: [
        {
          votes: [8, 7],
          scores: [
            { label: 'b', probability: 0.75 },
            { label: '1', probability: 0.25 },
          ],
        },
      ],
      errors: [],
    });
  });

  it('are null with an error for an invalid row', async () => {
    const invalid = BadUserInput.ofFields([{ row: 1, field: 'a', message: 'is required' }]);
    expect(await outputs([output('y')], [{ y: 1 }, invalid, null])).toEqual({
      rows: [{ y: 1 }, null, null],
      errors: [{ path: ['predictM', 1], fields: invalid.fields }],
    });
  });
});

describe('model changes', () => {
  it('are published only if the schema changes', () => {
    let models = [modelOf('m', [input('a')])];
    let change = (): void => undefined;
    const predictor = {
      models: () => models,
      onChange: (listener: () => void) => {
        change = listener;
        return () => undefined;
      },
    };
    let reported = 0;
    typedPredictions(predictor as unknown as Predictor, () => Promise.resolve([])).onChange(() => (reported += 1));
    const replaceModels = (next: Model[]): number => {
      models = next;
      change();
      return reported;
    };
    expect(replaceModels([{ ...modelOf('m', [input('a')]), problems: ['m/model.yaml: nonsense'] }])).toBe(0);
    expect(replaceModels([modelOf('m', [input('a'), input('b')])])).toBe(1);
    expect(replaceModels([modelOf('m', [input('a'), input('b')]), modelOf('n', [input('a')])])).toBe(2);
    expect(replaceModels([modelOf('n', [input('a')])])).toBe(3);
    expect(replaceModels([modelOf('n', [input('a', { unit: 'cm' })])])).toBe(4);
    expect(replaceModels([modelOf('n', [input('a', { unit: 'cm' })])])).toBe(4);
  });
});
