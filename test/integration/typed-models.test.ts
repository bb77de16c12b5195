import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildSchema } from 'graphql';
import { currentSchema } from '../../src/scripts/lib/current-schema.js';
import { codesOf, startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

const projectDir = path.join(import.meta.dirname, '..', '..');

/** Creates an input that is not cached: each mileage is used once. */
let mileage = 700_000;
const newCar = (more: Record<string, unknown> = {}) => ({
  company: 'Maruti',
  year: 2015,
  kmDriven: (mileage += 1),
  ...more,
});

describe('a typed field', () => {
  const execute = (caller: Caller, document: string, variables?: Record<string, unknown>) =>
    gateway.execute<AnyData>(caller, document, variables);
  const recorded = async (): Promise<number> =>
    (await execute('user', '{ predictions(first: 1) { totalCount } }')).data.predictions.totalCount as number;
  const price =
    'query ($inputs: [CarPriceInput!]!, $version: Int) { predictCarPrice(inputs: $inputs, version: $version) { predictionId model { name } version source ageSeconds durationMs createdAt sellingPrice } }';

  it('returns the results of predict in the order of the inputs', async () => {
    const cars = [
      newCar({ fuel: 'Diesel', transmission: 'Manual', maxPowerBhp: 74.5 }),
      newCar({ company: 'Ashok Leyland', owner: 'Fourth & Above', seats: null }),
    ];
    const typed = await execute('user', price, { inputs: cars });
    expect(typed.errors).toEqual([]);
    expect(typed.data.predictCarPrice).toMatchObject([
      { model: { name: 'car-price' }, version: 1, source: 'MODEL', ageSeconds: 0 },
      { model: { name: 'car-price' }, version: 1, source: 'MODEL', ageSeconds: 0 },
    ]);
    const rows = cars.map(({ kmDriven, ...car }) => ({ ...car, km_driven: kmDriven }));
    const { maxPowerBhp, ...first } = rows[0] as AnyData;
    const plain = await execute(
      'user',
      'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { source output } }',
      {
        inputs: [{ ...first, max_power_bhp: maxPowerBhp }, rows[1]],
      },
    );
    expect(plain.data.predict).toEqual(
      typed.data.predictCarPrice.map((one: AnyData) => ({
        source: 'CACHE',
        output: { selling_price: one.sellingPrice },
      })),
    );
  });

  it('has enums, and probabilities with their labels', async () => {
    const document =
      '{ predictIris(inputs: [{ petalLength: 1.4, petalWidth: 0.2 }, { petalLength: 6, petalWidth: 2.2, sepalLength: 7 }]) { species probabilities { label probability } } }';
    const { data, errors } = await execute('user', document);
    expect(errors).toEqual([]);
    expect(data.predictIris.map((one: AnyData) => one.species)).toEqual(['setosa', 'virginica']);
    const [{ probabilities }] = data.predictIris;
    expect(probabilities.map((one: AnyData) => one.label)).toEqual(['setosa', 'versicolor', 'virginica']);
    expect(probabilities.reduce((sum: number, one: AnyData) => sum + (one.probability as number), 0)).toBeCloseTo(1, 5);
  });

  it('accepts nested lists', async () => {
    const pixels = Array.from({ length: 8 }, () => [0, 0, 0, 16, 16, 0, 0, 0]);
    const { data, errors } = await execute(
      'user',
      'query ($inputs: [DigitsInput!]!) { predictDigits(inputs: $inputs) { digit probabilities { label } } }',
      { inputs: [{ pixels }] },
    );
    expect(errors).toEqual([]);
    expect(Number.isInteger(data.predictDigits[0].digit)).toBe(true);
    expect(data.predictDigits[0].probabilities).toHaveLength(10);
    const invalid = await execute(
      'user',
      'query ($inputs: [DigitsInput!]!) { predictDigits(inputs: $inputs) { digit } }',
      {
        inputs: [{ pixels: pixels.slice(1) }],
      },
    );
    expect(invalid.errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      fields: [{ row: 0, field: 'pixels' }],
    });
  });

  it('records the same prediction as predict, for the caller', async () => {
    const car = newCar({ maxPowerBhp: 80 });
    const { data } = await execute('user', price, { inputs: [car] });
    const { predictionId: id, sellingPrice } = data.predictCarPrice[0];
    const found = await execute(
      'user',
      'query ($id: ID!) { prediction(id: $id) { id input output source ageSeconds requestedBy { email } } }',
      { id },
    );
    expect(found.data.prediction).toEqual({
      id,
      input: { company: 'Maruti', year: 2015, km_driven: car.kmDriven, max_power_bhp: 80 },
      output: { selling_price: sellingPrice },
      source: 'MODEL',
      ageSeconds: 0,
      requestedBy: { email: 'user@example.com' },
    });
  });

  it('shares the interface PredictionResult with predict', async () => {
    const document = `{
      predictIris(inputs: [{ petalLength: 1.5, petalWidth: 0.3 }]) { ...Common predictionId species }
      predict(model: "iris", inputs: [{ petal_length: 1.6, petal_width: 0.3 }]) { ...Common id output }
    } fragment Common on PredictionResult { __typename model { name } version source ageSeconds durationMs createdAt }`;
    const { data, errors } = await execute('user', document);
    expect(errors).toEqual([]);
    expect(data.predictIris).toMatchObject([
      { __typename: 'IrisPrediction', model: { name: 'iris' }, version: 1, species: 'setosa' },
    ]);
    expect(data.predict).toMatchObject([{ __typename: 'Prediction', model: { name: 'iris' }, version: 1 }]);
    expect(data.predict[0].id).toMatch(/^prediction_/);
  });

  it('reports invalid fields by their GraphQL names and rows, and records nothing', async () => {
    const before = await recorded();
    const { data, errors } = await execute('user', price, {
      inputs: [newCar(), newCar({ kmDriven: -5, year: 1900 }), newCar({ owner: 'Nobody' })],
    });
    expect(data ?? null).toBeNull();
    expect(errors).toHaveLength(1);
    expect(errors[0]?.extensions.fields?.map(({ row, field }) => [row, field])).toEqual([
      [1, 'year'],
      [1, 'kmDriven'],
      [2, 'owner'],
    ]);
    expect(errors[0]?.message).toContain('row 1: kmDriven must be from 0 to 3000000 (unit: km)');
    expect(await recorded()).toBe(before);
  });

  it.each([
    ['an unknown enum value', { fuel: 'Electric' }, 'CarPriceFuel'],
    ['a string for a number', { kmDriven: 'far' }, 'row 0: kmDriven must be of type Int, not a string'],
    ['both spellings of an input', { km_driven: 5 }, 'km_driven; send one of them'],
    ['null for a required field', { company: null }, 'row 0: company must not be null'],
  ])('rejects %s before the model runs', async (_what, more, message) => {
    const before = await recorded();
    const { errors } = await execute('user', price, { inputs: [newCar(more)] });
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect(errors[0]?.message).toContain(message);
    expect(await recorded()).toBe(before);
  });

  it('accepts the names of the model, as variables and in the document, and records them', async () => {
    const car = { company: 'Maruti', year: 2016, km_driven: (mileage += 1), max_power_bhp: 80 };
    const { data, errors } = await execute('user', price, { inputs: [car] });
    expect(errors).toEqual([]);
    const found = await execute('user', 'query ($id: ID!) { prediction(id: $id) { input } }', {
      id: data.predictCarPrice[0].predictionId,
    });
    expect(found.data.prediction.input).toEqual(car);
    const literal = await execute(
      'user',
      `{ predictCarPrice(inputs: [{ company: "Maruti", year: 2016, km_driven: ${car.km_driven}, maxPowerBhp: 80 }]) { source sellingPrice } }`,
    );
    expect(literal.data.predictCarPrice).toEqual([
      { source: 'CACHE', sellingPrice: data.predictCarPrice[0].sellingPrice },
    ]);
  });

  it('requires an input of two spellings once per row', async () => {
    const { errors } = await execute('user', price, { inputs: [newCar(), { company: 'Maruti', year: 2016 }] });
    expect(errors[0]?.extensions.fields).toEqual([{ row: 1, field: 'kmDriven', message: 'is required' }]);
  });

  it('lists more than 50 variables of the wrong type in one error', async () => {
    const inputs = Array.from({ length: 70 }, (_none, row) => newCar({ fuel: `Fuel${row}` }));
    const response = await execute('user', price, { inputs });
    expect([response.status, ...codesOf(response)]).toEqual([400, 'BAD_USER_INPUT']);
    expect(response.errors[0]?.extensions.fields).toHaveLength(70);
    expect(response.errors[0]?.extensions.fields?.[69]).toEqual({
      row: 69,
      field: 'fuel',
      message: 'must be a value of CarPriceFuel',
    });
  });

  it('predicts the valid rows with onInvalid: NULL, and names invalid ones in the spelling of the schema', async () => {
    const { data, errors } = await execute(
      'user',
      'query ($inputs: [CarPriceInput!]!) { predictCarPrice(inputs: $inputs, onInvalid: NULL) { sellingPrice } }',
      { inputs: [newCar(), newCar({ kmDriven: -1 }), newCar()] },
    );
    expect(data.predictCarPrice).toEqual([
      { sellingPrice: expect.any(Number) },
      null,
      { sellingPrice: expect.any(Number) },
    ]);
    expect(errors).toEqual([
      {
        message: 'Invalid input: row 1: kmDriven must be from 0 to 3000000 (unit: km), not -1.',
        locations: expect.any(Array),
        path: ['predictCarPrice', 1],
        extensions: {
          code: 'BAD_USER_INPUT',
          fields: [{ row: 1, field: 'kmDriven', message: 'must be from 0 to 3000000 (unit: km), not -1' }],
        },
      },
    ]);
  });

  it('returns the probabilities of 1000 rows within the query limits', async () => {
    const pixels = Array.from({ length: 8 }, () => [0, 0, 0, 16, 16, 0, 0, 0]);
    const inputs = Array.from({ length: 1000 }, (_none, row) => ({
      pixels: pixels.map((line, at) => (at === 0 ? [row % 17, Math.floor(row / 17) % 17, ...line.slice(2)] : line)),
    }));
    const { data, errors } = await execute(
      'user',
      'query ($inputs: [DigitsInput!]!) { predictDigits(inputs: $inputs) { digit probabilities { label probability } } }',
      { inputs },
    );
    expect(errors).toEqual([]);
    expect(data.predictDigits).toHaveLength(1000);
  });

  it('accepts a version, and rejects an unknown one', async () => {
    expect((await execute('user', price, { inputs: [newCar()], version: 1 })).data.predictCarPrice).toMatchObject([
      { version: 1 },
    ]);
    const { errors } = await execute('user', price, { inputs: [newCar()], version: 99 });
    expect(errors[0]?.extensions.fields).toEqual([
      { field: 'version', message: expect.stringContaining('99 of car-price is not served') },
    ]);
  });

  it('rejects an anonymous caller and an API key without the scope, and records nothing', async () => {
    const key = await execute(
      'user',
      'mutation { createApiKey(name: "reader", scopes: ["employees:read"]) { secret } }',
    );
    const mayExecute = await execute(
      'user',
      'mutation { createApiKey(name: "caller", scopes: ["predict"]) { secret } }',
    );
    const before = await recorded();
    expect(codesOf(await execute(null, price, { inputs: [newCar()] }))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await execute({ apiKey: key.data.createApiKey.secret }, price, { inputs: [newCar()] }))).toEqual([
      'FORBIDDEN',
    ]);
    expect(await recorded()).toBe(before);
    expect(
      codesOf(await execute({ apiKey: mayExecute.data.createApiKey.secret }, price, { inputs: [newCar()] })),
    ).toEqual([]);
    expect(await recorded()).toBe(before + 1);
  });

  it('costs in proportion to its inputs and their nested lists', async () => {
    const inputs = Array.from({ length: 1000 }, () => ({ petalLength: 1.4, petalWidth: 0.2 }));
    const few = await execute('user', 'query ($inputs: [IrisInput!]!) { predictIris(inputs: $inputs) { species } }', {
      inputs,
    });
    expect(few.data.predictIris).toHaveLength(1000);
    const many = await execute(
      'user',
      'query ($inputs: [IrisInput!]!) { a: predictIris(inputs: $inputs) { probabilities { label } } b: predictIris(inputs: $inputs) { probabilities { label } } c: predictIris(inputs: $inputs) { probabilities { label } } d: predictIris(inputs: $inputs) { probabilities { label } } }',
      { inputs },
    );
    expect(many.errors[0]?.extensions).toMatchObject({ code: 'QUERY_TOO_LARGE', limit: 'cost' });
  });
});

describe('the committed schema', () => {
  it('matches the code and the model store', async () => {
    expect(await currentSchema()).toBe(readFileSync(path.join(projectDir, 'schema', 'schema.graphql'), 'utf8'));
  });

  it('describes each type and field of a model', () => {
    const schema = buildSchema(readFileSync(path.join(projectDir, 'schema', 'schema.graphql'), 'utf8'));
    const types = Object.values(schema.getTypeMap()).filter(
      ({ name }) => /^(CarPrice|Digits|Iris|ClassProb)/.test(name) || name === 'PredictionResult',
    );
    expect(types.length).toBeGreaterThan(8);
    const fields = types.flatMap((type) => ('getFields' in type ? Object.values(type.getFields()) : []));
    const root = Object.values(schema.getQueryType()?.getFields() ?? {}).filter(({ name }) =>
      /^predict[A-Z]/.test(name),
    );
    const bare = [...types, ...fields, ...root, ...root.flatMap(({ args }) => [...args])]
      .filter(({ description }) => !description)
      .map(({ name }) => name);
    expect(bare).toEqual([]);
  });
});
