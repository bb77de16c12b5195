import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { buildSchema, graphql, GraphQLObjectType, GraphQLSchema, isNamedType, printType, type GraphQLError, type GraphQLNamedType } from 'graphql';
import type { Question } from '../../src/domains/prediction/prediction.service.js';
import type { PredictionRow } from '../../src/domains/prediction/prediction.types.js';
import { typedField } from '../../src/domains/prediction/typed-models/fields.js';
import { namingProblems, typedModels } from '../../src/domains/prediction/typed-models/index.js';
import { fieldNameOf, queryNameOf, typeNameOf } from '../../src/domains/prediction/typed-models/names.js';
import { shapeOf, typedModel } from '../../src/domains/prediction/typed-models/typed-model.js';
import type { InputField, Model, ModelVersion, OutputField, Predictor } from '../../src/inference/predictor.js';
import { BadUserInput } from '../../src/shared/errors.js';

const base = buildSchema(`
  interface PredictionResult { id: ID! version: Int! durationMs: Float! }
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

function modelOf(name: string, inputs: InputField[], outputs: OutputField[] = [output('answer')], others: ModelVersion[] = []): Model {
  const current = { version: 9, inputs, outputs, digest: 'd', metrics: null } as unknown as ModelVersion;
  return { name, title: `The model ${name}`, versions: [...others, current], current, canary: null, shadow: null, problems: [] };
}

/** The types that a model brings, by their names. */
function typesOf(model: Model): Record<string, GraphQLNamedType> {
  const field = typedField(typedModel(model), base, () => Promise.resolve([]));
  const schema = new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields: { [queryNameOf(model.name)]: field } }) });
  return { ...schema.getTypeMap() };
}

function printed(model: Model, name: string): string {
  const type = typesOf(model)[name];
  if (!isNamedType(type)) throw new Error(`${name} is not there`);
  return printType(type);
}

/** The type of each field, as the schema prints it. */
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

describe('names', () => {
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
  ])('of the field %s is %s', (raw, name) => {
    expect(fieldNameOf(raw)).toBe(name);
  });

  it.each([
    ['car-price', 'CarPrice'],
    ['car_price', 'CarPrice'],
    ['iris', 'Iris'],
    ['BERT-base.v2', 'BertBaseV2'],
    ['carPrice', 'CarPrice'],
  ])('of the types of the model %s begin with %s', (raw, name) => {
    expect(typeNameOf(raw)).toBe(name);
    expect(queryNameOf(raw)).toBe(`predict${name}`);
  });
});

describe('the typed fields of a model', () => {
  it('take one field for each input, which may be left out where the model takes missing values', () => {
    const model = modelOf('car-price', [input('km_driven'), input('engine_cc', { required: false }), input('is_new', { type: 'boolean', tensorType: 'bool' }), input('note', text)]);
    expect(fieldsOf(model, 'CarPriceInput')).toEqual({ kmDriven: 'Float!', engineCc: 'Float', isNew: 'Boolean!', note: 'String!' });
  });

  it('have whole numbers as Int where 32 bits hold them, and as SafeInt elsewhere', () => {
    const model = modelOf('m', [
      input('limited', { ...integer, minimum: 0, maximum: 3_000_000 }),
      input('half_limited', { ...integer, minimum: 0 }),
      input('too_wide', { ...integer, minimum: 0, maximum: 2 ** 31 }),
      input('just_right', { ...integer, minimum: -(2 ** 31), maximum: 2 ** 31 - 1 }),
      input('small', { type: 'integer', tensorType: 'int32' }),
      input('chosen', { ...integer, values: ['1', '2'], isClosed: true }),
      input('suggested', { ...integer, values: ['1', '2'] }),
    ]);
    expect(fieldsOf(model, 'MInput')).toEqual({ limited: 'Int!', halfLimited: 'SafeInt!', tooWide: 'SafeInt!', justRight: 'Int!', small: 'Int!', chosen: 'Int!', suggested: 'SafeInt!' });
    const answers = modelOf('m', [input('a')], [output('digit', { ...integer, values: ['0', '9'] }), output('count', integer), output('large', { ...integer, values: ['3000000000'] })]);
    expect(fieldsOf(answers, 'MPrediction')).toMatchObject({ digit: 'Int!', count: 'SafeInt!', large: 'SafeInt!' });
  });

  it('nest lists as deep as the tensor is', () => {
    const model = modelOf(
      'digits',
      [input('pixels', { shape: [null, 8, 8], rowShape: [8, 8] }), input('words', { ...text, rowShape: [4] })],
      [output('embedding', { rowShape: [null] }), output('maps', { rowShape: [2, null, 3] }), output('one')],
    );
    expect(fieldsOf(model, 'DigitsInput')).toEqual({ pixels: '[[Float!]!]!', words: '[String!]!' });
    expect(fieldsOf(model, 'DigitsPrediction')).toMatchObject({ embedding: '[Float!]!', maps: '[[[Float!]!]!]!', one: 'Float!' });
    expect(descriptionsOf(model, 'DigitsInput').pixels).toBe('The input pixels. 8 lists of 8 values.');
  });

  it('give numbers with labels as ClassProbability, and other values with labels as a list', () => {
    const model = modelOf('iris', [input('a')], [
      output('probabilities', { rowShape: [2], labels: ['setosa', 'virginica'], values: ['setosa', 'virginica'] }),
      output('votes', { ...integer, rowShape: [2], labels: ['setosa', 'virginica'], values: ['setosa', 'virginica'] }),
    ]);
    expect(fieldsOf(model, 'IrisPrediction')).toMatchObject({ probabilities: '[ClassProbability!]!', votes: '[SafeInt!]!' });
    expect(descriptionsOf(model, 'IrisPrediction').votes).toBe('The output votes. In this order: setosa, virginica.');
  });

  it('have an enum where all values are legal names, told to be open where it is', () => {
    const model = modelOf('car-price', [
      input('transmission', { ...text, values: ['Automatic', 'Manual'], isClosed: true }),
      input('fuel', { ...text, values: ['CNG', 'Diesel'], required: false }),
    ], [output('species', { ...text, values: ['setosa'] })]);
    expect(fieldsOf(model, 'CarPriceInput')).toEqual({ transmission: 'CarPriceTransmission!', fuel: 'CarPriceFuel' });
    expect(fieldsOf(model, 'CarPricePrediction')).toMatchObject({ species: 'CarPriceSpecies!' });
    expect(printed(model, 'CarPriceTransmission')).toBe('"""The values of transmission that car-price knows."""\nenum CarPriceTransmission {\n  """The value Automatic of transmission."""\n  Automatic\n\n  """The value Manual of transmission."""\n  Manual\n}');
    expect(descriptionsOf(model, 'CarPriceInput').fuel).toBe('The input fuel. `predict` takes other values as well.');
    expect(typesOf(model).CarPriceFuel?.description).toBe('The values of fuel that car-price knows. `predict` takes other values as well.');
  });

  it.each(['Ashok Leyland', 'true', 'null', '__typename', '2020', 'Škoda'])('have no enum where a value is %j', (value) => {
    const model = modelOf('m', [input('known', { ...text, values: ['Audi', value] }), input('closed', { ...text, values: ['Audi', value], isClosed: true })]);
    expect(fieldsOf(model, 'MInput')).toEqual({ known: 'String!', closed: 'String!' });
    expect(descriptionsOf(model, 'MInput')).toEqual({ known: `The input known. Known values: Audi, ${value}.`, closed: `The input closed. One of: Audi, ${value}.` });
  });

  it('share an enum that an input and an output have alike', () => {
    const values = { ...text, values: ['low', 'high'] };
    const model = modelOf('m', [input('level', values)], [output('level', values)]);
    expect(namingProblems([model], base)).toEqual([]);
    expect(fieldsOf(model, 'MInput').level).toBe(fieldsOf(model, 'MPrediction').level);
  });

  it('say what a value means, its unit and its range, in sentences', () => {
    const model = modelOf('m', [
      input('km_driven', { description: 'Distance driven so far.', unit: 'km', minimum: 0, maximum: 3_000_000 }),
      input('a', { description: 'No full stop', minimum: 2 }),
      input('b', { maximum: -1 }),
      input('c', { ...text, values: Array.from({ length: 60 }, (_none, index) => `no. ${index}`) }),
    ]);
    const told = descriptionsOf(model, 'MInput');
    expect(told).toMatchObject({ kmDriven: 'Distance driven so far. Unit: km. From 0 to 3000000.', a: 'No full stop. 2 or more.', b: 'The input b. -1 or less.' });
    expect(told.c).toMatch(/no\. 49, and 10 more\.$/);
  });

  it('differ in shape where one cannot be asked by the fields of the other, and in nothing else', () => {
    const shape = (inputs: InputField[], outputs?: OutputField[]): string => shapeOf(typedModel(modelOf('m', inputs, outputs)));
    const first = shape([input('a', { description: 'One thing.', unit: 'cm', minimum: 1 })]);
    expect(shape([input('a', { description: 'Another.', maximum: 9 })])).toBe(first);
    expect(shape([input('a', { required: false })])).not.toBe(first);
    expect(shape([input('a', integer)])).not.toBe(first);
    expect(shape([input('a'), input('b')])).not.toBe(first);
    expect(shape([input('A')])).not.toBe(first);
    expect(shape([input('a')], [output('answer', { rowShape: [2] })])).not.toBe(first);
    expect(shape([input('a')], [output('answer', { rowShape: [2], labels: ['x', 'y'] })])).not.toBe(shape([input('a')], [output('answer', { rowShape: [2], labels: ['x', 'z'] })]));
    // Only predictions of money have outputIn, whatever the currency.
    const inEuros = shape([input('a')], [output('answer', { unit: 'EUR' })]);
    expect(inEuros).not.toBe(first);
    expect(shape([input('a')], [output('answer', { unit: 'USD' })])).toBe(inEuros);
    expect(shape([input('a')], [output('answer', { unit: 'km' })])).toBe(first);
  });
});

describe('names that cannot stand', () => {
  const problems = (...models: Model[]): string[] => namingProblems(models, base).flatMap((one) => one.problems);

  it('are none in models that are well named', () => {
    expect(problems(modelOf('car-price', [input('km_driven')]), modelOf('iris', [input('petal_length')]))).toEqual([]);
  });

  it('are told of two inputs or two outputs that meet', () => {
    expect(problems(modelOf('car-price', [input('km_driven'), input('kmDriven')]))).toEqual([
      'car-price/model.yaml: the inputs km_driven and kmDriven both become kmDriven; rename one',
    ]);
    expect(problems(modelOf('m', [input('a')], [output('x_y'), output('x.y')]))).toEqual(['m/model.yaml: the outputs x_y and x.y both become xY; rename one']);
  });

  it('are told of an output that meets a field which every prediction has', () => {
    expect(problems(modelOf('m', [input('id')], [output('id'), output('duration_ms')]))).toEqual([
      'm/model.yaml: the output id becomes id, which every prediction has already; rename it',
      'm/model.yaml: the output duration_ms becomes durationMs, which every prediction has already; rename it',
    ]);
  });

  it('are told of an output that meets the field which only money has', () => {
    expect(problems(modelOf('m', [input('a')], [output('output_in')]))).toEqual([]);
    expect(problems(modelOf('m', [input('a')], [output('output_in'), output('price', { unit: 'EUR' })]))).toEqual([
      'm/model.yaml: the output output_in becomes outputIn, which every prediction has already; rename it',
    ]);
  });

  it('are told once of two models that meet, of the later one', () => {
    expect(namingProblems([modelOf('car-price', [input('a')]), modelOf('car_price', [input('a')])], base)).toEqual([
      { model: 'car_price', problems: ['car_price/model.yaml: the models car-price and car_price both become CarPrice; rename one of the folders'] },
    ]);
  });

  it('are told of a model that meets the schema, by a type or a root field', () => {
    expect(problems(modelOf('create-employee', [input('a')]))).toEqual([
      'create-employee/model.yaml: the model create-employee would be CreateEmployeeInput, a name that the schema has already; rename it',
    ]);
    expect(problems(modelOf('things', [input('a')]))).toEqual(['things/model.yaml: the model things would be predictThings, a name that the schema has already; rename it']);
    expect(problems(modelOf('class', [input('probability', { ...text, values: ['x'] })]))).toEqual([
      'class/model.yaml: the values of probability of the model class would be ClassProbability, a name that the schema has already; rename it',
    ]);
  });

  it('are told of enums that meet other types, in one model and in two', () => {
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
    ['2nd_owner', 'would be 2ndOwner, which begins with a digit'],
    ['größe', 'would be größe; names in GraphQL have the letters A to Z, digits and _'],
    ['--', 'has no letter or digit'],
  ])('are told of the input %s', (name, reason) => {
    expect(problems(modelOf('m', [input(name)]))).toEqual([`m/model.yaml: the input ${JSON.stringify(name)} ${reason}; rename it`]);
  });

  it('are told of a model whose name begins with a digit', () => {
    expect(problems(modelOf('3d-shapes', [input('a')]))).toEqual([expect.stringContaining('the model "3d-shapes" would be 3dShapes, which begins with a digit; rename it')]);
  });

  it('are found in every version, since each may come to answer, and told once', () => {
    const old = modelOf('m', [input('x_y'), input('xY')]).current;
    expect(problems(modelOf('m', [input('a')], undefined, [old, { ...old, version: 2 }]))).toEqual(['m/model.yaml: the inputs x_y and xY both become xY; rename one']);
  });
});

describe('asking a typed field', () => {
  const shaped = (version: number, inputs: InputField[]): ModelVersion => ({ ...modelOf('m', inputs).current, version });
  const first = shaped(1, [input('km_driven')]);
  const second = shaped(2, [input('km_driven', { description: 'Other words.' })]);
  const other = shaped(3, [input('km_driven'), input('year')]);
  const canaryOf = (version: number, stopped: string | null = null) => ({ version, percent: 50, maxErrorRate: 1, minCalls: 1, stopped });

  const served = (versions: ModelVersion[], current: ModelVersion, more: Partial<Model> = {}): Model => ({ ...modelOf('m', []), versions, current, ...more });

  /** Asks the field that was made of `made`, when what is served is `now`; gives what was asked of the model, and the errors. */
  async function ask(made: Model, now: Model | null, version?: number, refusal?: Error): Promise<{ asked: Question[]; errors: readonly GraphQLError[] }> {
    const asked: Question[] = [];
    const predictor = { models: () => [made], model: () => now, onChange: () => () => undefined };
    const extension = typedModels(predictor, (question) => {
      asked.push(question);
      return refusal ? Promise.reject(refusal) : Promise.resolve([{ output: { answer: 1 } } as unknown as PredictionRow]);
    });
    const schema = new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields: extension.queries(base) }) });
    const source = 'query ($version: Int) { predictM(inputs: [{ kmDriven: 5 }], version: $version) { answer } }';
    const { errors = [] } = await graphql({ schema, source, variableValues: { version } });
    return { asked, errors };
  }

  it('gives the model its own names', async () => {
    const model = served([first], first);
    expect(await ask(model, model)).toEqual({ asked: [{ model: 'm', version: null, rows: [{ km_driven: 5 }] }], errors: [] });
  });

  it('names errors of rows as the caller wrote them, and leaves those of the call', async () => {
    const model = served([first], first);
    const refusal = BadUserInput.ofFields([
      { row: 0, field: 'km_driven', message: 'is required' },
      { row: 0, field: 'km_driven[3][1]', message: 'must be a number; km_driven[3] has 7' },
      { row: 1, field: 'answer', message: 'has no finite value' },
      { field: 'inputs', message: 'must have 1 to 1000 rows' },
    ]);
    const { errors } = await ask(model, model, undefined, refusal);
    expect(errors[0]?.extensions.fields).toEqual([
      { row: 0, field: 'kmDriven', message: 'is required' },
      { row: 0, field: 'kmDriven[3][1]', message: 'must be a number; kmDriven[3] has 7' },
      { row: 1, field: 'answer', message: 'has no finite value' },
      { field: 'inputs', message: 'must have 1 to 1000 rows' },
    ]);
    expect((await ask(model, model, undefined, new Error('away'))).errors[0]?.message).toBe('away');
  });

  it('takes a version of the same shape, and one that is not there, which the model refuses itself', async () => {
    const model = served([first, second, other], second);
    expect((await ask(model, model, 1)).asked).toMatchObject([{ version: 1 }]);
    expect((await ask(model, model, 7)).asked).toMatchObject([{ version: 7 }]);
  });

  it('refuses a version of another shape, and says how to ask it', async () => {
    const model = served([first, second, other], second);
    const { asked, errors } = await ask(model, model, 3);
    expect(asked).toEqual([]);
    expect(errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      fields: [{ field: 'version', message: '3 of m has other inputs or outputs than predictM; ask it by predict(model: "m", version: 3)' }],
    });
  });

  it('leaves the choice where a canary has the shape, and keeps to the current version where it has not', async () => {
    const same = served([first, second], first, { canary: canaryOf(2) });
    expect((await ask(same, same)).asked).toMatchObject([{ version: null }]);
    const different = served([first, other], first, { canary: canaryOf(3) });
    expect((await ask(different, different)).asked).toMatchObject([{ version: 1 }]);
    const stopped = served([first, other], first, { canary: canaryOf(3, 'too slow') });
    expect((await ask(stopped, stopped)).asked).toMatchObject([{ version: null }]);
  });

  it('asks the version that it was made of where another one has become current meanwhile', async () => {
    expect((await ask(served([first], first), served([first, other], other))).asked).toMatchObject([{ version: 1 }]);
  });

  it('is refused where no version has the shape any more, or the model has gone', async () => {
    const { asked, errors } = await ask(served([first], first), served([other], other));
    expect(asked).toEqual([]);
    expect(errors[0]?.extensions.code).toBe('CONFLICT');
    expect((await ask(served([first], first), null)).asked).toMatchObject([{ version: null }]);
  });
});

describe('changes of models', () => {
  it('are told where the schema would change, and only then', () => {
    let models = [modelOf('m', [input('a')])];
    let change = (): void => undefined;
    const predictor = {
      models: () => models,
      onChange: (listener: () => void) => {
        change = listener;
        return () => undefined;
      },
    };
    let told = 0;
    typedModels(predictor as unknown as Predictor, () => Promise.resolve([])).onChange(() => (told += 1));
    const become = (next: Model[]): number => {
      models = next;
      change();
      return told;
    };
    expect(become([{ ...modelOf('m', [input('a')]), problems: ['m/model.yaml: nonsense'] }])).toBe(0);
    expect(become([modelOf('m', [input('a'), input('b')])])).toBe(1);
    expect(become([modelOf('m', [input('a'), input('b')]), modelOf('n', [input('a')])])).toBe(2);
    expect(become([modelOf('n', [input('a')])])).toBe(3);
    expect(become([modelOf('n', [input('a', { unit: 'cm' })])])).toBe(4);
    expect(become([modelOf('n', [input('a', { unit: 'cm' })])])).toBe(4);
  });
});
