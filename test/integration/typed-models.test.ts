import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildSchema } from 'graphql';
import { domains } from '../../src/domains/index.js';
import { namingProblems, typedModels } from '../../src/domains/prediction/typed-models/index.js';
import { domainSchema, printedSchema } from '../../src/graphql/schema.js';
import { openPredictor } from '../../src/inference/predictor.js';
import { openCache } from '../../src/shared/cache.js';
import { createLogger } from '../../src/shared/logger.js';
import { codesOf, startGateway, type Any, type Asker, type TestGateway } from '../kit/gateway.js';

const gateways: Partial<Record<string, TestGateway>> = {};
beforeAll(async () => {
  [gateways.jit, gateways['graphql-js']] = await Promise.all([startGateway({ EXECUTOR: 'jit' }), startGateway({ EXECUTOR: 'graphql-js' })]);
});
afterAll(async () => {
  for (const gateway of Object.values(gateways)) await gateway?.close();
});

const projectDir = path.join(import.meta.dirname, '..', '..');

/** A car that nobody has asked for yet: each mileage is used once. */
let mileage = 700_000;
const newCar = (more: Record<string, unknown> = {}) => ({ company: 'Maruti', year: 2015, kmDriven: (mileage += 1), ...more });

describe.each(['jit', 'graphql-js'])('a typed field, executed by %s', (executor) => {
  const ask = (asker: Asker, document: string, variables?: Record<string, unknown>) => {
    const gateway = gateways[executor];
    if (!gateway) throw new Error('The gateway did not start.');
    return gateway.ask<Any>(asker, document, variables);
  };
  const recorded = async (): Promise<number> => (await ask('admin', '{ predictions(first: 1) { totalCount } }')).data.predictions.totalCount as number;
  const price = 'query ($inputs: [CarPriceInput!]!, $version: Int) { predictCarPrice(inputs: $inputs, version: $version) { id model { name } version source ageSeconds durationMs createdAt sellingPrice } }';

  it('gives the answers of predict, in the order of the inputs', async () => {
    const cars = [newCar({ fuel: 'Diesel', transmission: 'Manual', maxPowerBhp: 74.5 }), newCar({ company: 'Ashok Leyland', owner: 'Fourth & Above', seats: null })];
    const typed = await ask('user', price, { inputs: cars });
    expect(typed.errors).toEqual([]);
    expect(typed.data.predictCarPrice).toMatchObject([
      { model: { name: 'car-price' }, version: 1, source: 'MODEL', ageSeconds: 0 },
      { model: { name: 'car-price' }, version: 1, source: 'MODEL', ageSeconds: 0 },
    ]);
    const rows = cars.map(({ kmDriven, ...car }) => ({ ...car, km_driven: kmDriven }));
    const { maxPowerBhp, ...first } = rows[0] as Any;
    const plain = await ask('user', 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { source output } }', {
      inputs: [{ ...first, max_power_bhp: maxPowerBhp }, rows[1]],
    });
    expect(plain.data.predict).toEqual(typed.data.predictCarPrice.map((one: Any) => ({ source: 'CACHE', output: { selling_price: one.sellingPrice } })));
  });

  it('has enums, and probabilities with their labels', async () => {
    const document = '{ predictIris(inputs: [{ petalLength: 1.4, petalWidth: 0.2 }, { petalLength: 6, petalWidth: 2.2, sepalLength: 7 }]) { species probabilities { label probability } } }';
    const { data, errors } = await ask('user', document);
    expect(errors).toEqual([]);
    expect(data.predictIris.map((one: Any) => one.species)).toEqual(['setosa', 'virginica']);
    const [{ probabilities }] = data.predictIris;
    expect(probabilities.map((one: Any) => one.label)).toEqual(['setosa', 'versicolor', 'virginica']);
    expect(probabilities.reduce((sum: number, one: Any) => sum + (one.probability as number), 0)).toBeCloseTo(1, 5);
  });

  it('takes nested lists', async () => {
    const pixels = Array.from({ length: 8 }, () => [0, 0, 0, 16, 16, 0, 0, 0]);
    const { data, errors } = await ask('user', 'query ($inputs: [DigitsInput!]!) { predictDigits(inputs: $inputs) { digit probabilities { label } } }', { inputs: [{ pixels }] });
    expect(errors).toEqual([]);
    expect(Number.isInteger(data.predictDigits[0].digit)).toBe(true);
    expect(data.predictDigits[0].probabilities).toHaveLength(10);
    const faulty = await ask('user', 'query ($inputs: [DigitsInput!]!) { predictDigits(inputs: $inputs) { digit } }', { inputs: [{ pixels: pixels.slice(1) }] });
    expect(faulty.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', fields: [{ row: 0, field: 'pixels' }] });
  });

  it('records what predict would, in the caller’s name', async () => {
    const car = newCar({ maxPowerBhp: 80 });
    const { data } = await ask('user', price, { inputs: [car] });
    const { id, sellingPrice } = data.predictCarPrice[0];
    const found = await ask('user', 'query ($id: ID!) { prediction(id: $id) { id input output source ageSeconds requestedBy { email } } }', { id });
    expect(found.data.prediction).toEqual({
      id,
      input: { company: 'Maruti', year: 2015, km_driven: car.kmDriven, max_power_bhp: 80 },
      output: { selling_price: sellingPrice },
      source: 'MODEL',
      ageSeconds: 0,
      requestedBy: { email: 'user@example.com' },
    });
  });

  it('can be asked together with predict through what they have in common', async () => {
    const document = `{
      predictIris(inputs: [{ petalLength: 1.5, petalWidth: 0.3 }]) { ...Common species }
      predict(model: "iris", inputs: [{ petal_length: 1.6, petal_width: 0.3 }]) { ...Common output }
    } fragment Common on PredictionResult { __typename id model { name } version source ageSeconds durationMs createdAt }`;
    const { data, errors } = await ask('user', document);
    expect(errors).toEqual([]);
    expect(data.predictIris).toMatchObject([{ __typename: 'IrisPrediction', model: { name: 'iris' }, version: 1, species: 'setosa' }]);
    expect(data.predict).toMatchObject([{ __typename: 'Prediction', model: { name: 'iris' }, version: 1 }]);
    expect(data.predict[0].id).toMatch(/^prediction_/);
  });

  it('names faulty fields as the caller wrote them, with their rows, and records nothing', async () => {
    const before = await recorded();
    const { data, errors } = await ask('user', price, { inputs: [newCar(), newCar({ kmDriven: -5, year: 1900 }), newCar({ owner: 'Nobody' })] });
    expect(data ?? null).toBeNull();
    expect(errors).toHaveLength(1);
    expect(errors[0]?.extensions.fields?.map(({ row, field }) => [row, field])).toEqual([
      [1, 'year'],
      [1, 'kmDriven'],
      [2, 'owner'],
    ]);
    expect(errors[0]?.message).toContain('row 1: kmDriven must be from 0 to 3000000 km');
    expect(await recorded()).toBe(before);
  });

  it.each([
    ['a value that the enum lacks', { fuel: 'Electric' }, 'CarPriceFuel'],
    ['a text for a number', { kmDriven: 'far' }, 'Int cannot represent'],
    ['a name of the model’s own', { km_driven: 5 }, 'km_driven'],
    ['nothing for what must be there', { company: null }, 'String!'],
  ])('refuses %s before the model is asked', async (_what, more, message) => {
    const before = await recorded();
    const { errors } = await ask('user', price, { inputs: [newCar(more)] });
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect(errors[0]?.message).toContain(message);
    expect(await recorded()).toBe(before);
  });

  it('takes a version, and tells which there are', async () => {
    expect((await ask('user', price, { inputs: [newCar()], version: 1 })).data.predictCarPrice).toMatchObject([{ version: 1 }]);
    const { errors } = await ask('user', price, { inputs: [newCar()], version: 99 });
    expect(errors[0]?.extensions.fields).toEqual([{ field: 'version', message: expect.stringContaining('99 of car-price is not served') }]);
  });

  it('refuses a stranger and an API key without the scope, and records nothing', async () => {
    const key = await ask('user', 'mutation { createApiKey(name: "reader", scopes: ["employees:read"]) { secret } }');
    const mayAsk = await ask('user', 'mutation { createApiKey(name: "asker", scopes: ["predict"]) { secret } }');
    const before = await recorded();
    expect(codesOf(await ask(null, price, { inputs: [newCar()] }))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await ask({ apiKey: key.data.createApiKey.secret }, price, { inputs: [newCar()] }))).toEqual(['FORBIDDEN']);
    expect(await recorded()).toBe(before);
    expect(codesOf(await ask({ apiKey: mayAsk.data.createApiKey.secret }, price, { inputs: [newCar()] }))).toEqual([]);
    expect(await recorded()).toBe(before + 1);
  });

  it('costs as much as it has inputs, and more with lists inside', async () => {
    const inputs = Array.from({ length: 1000 }, () => ({ petalLength: 1.4, petalWidth: 0.2 }));
    const few = await ask('user', 'query ($inputs: [IrisInput!]!) { predictIris(inputs: $inputs) { species } }', { inputs });
    expect(few.data.predictIris).toHaveLength(1000);
    const many = await ask('user', 'query ($inputs: [IrisInput!]!) { a: predictIris(inputs: $inputs) { probabilities { label } } b: predictIris(inputs: $inputs) { probabilities { label } } c: predictIris(inputs: $inputs) { probabilities { label } } d: predictIris(inputs: $inputs) { probabilities { label } } }', { inputs });
    expect(many.errors[0]?.extensions).toMatchObject({ code: 'QUERY_TOO_LARGE', limit: 'cost' });
  });
});

describe('the committed schema', () => {
  it('is what the code and the model store print', async () => {
    const logger = createLogger('silent');
    const cache = openCache({ redisUrl: undefined, namespace: 'test', maxEntries: 1, maxBytes: 1, logger });
    const base = domainSchema(domains);
    const predictor = await openPredictor({ storeDir: path.join(projectDir, 'model-store'), cache, logger, check: (models) => namingProblems(models, base) });
    try {
      const printed = printedSchema(domains, [typedModels(predictor, () => Promise.resolve([]))]);
      expect(printed).toBe(readFileSync(path.join(projectDir, 'schema', 'schema.graphql'), 'utf8'));
    } finally {
      await predictor.close();
      await cache.close();
    }
  });

  it('describes each type and field that a model brings', () => {
    const schema = buildSchema(readFileSync(path.join(projectDir, 'schema', 'schema.graphql'), 'utf8'));
    const types = Object.values(schema.getTypeMap()).filter(({ name }) => /^(CarPrice|Digits|Iris|ClassProb)/.test(name) || name === 'PredictionResult');
    expect(types.length).toBeGreaterThan(8);
    const fields = types.flatMap((type) => ('getFields' in type ? Object.values(type.getFields()) : []));
    const root = Object.values(schema.getQueryType()?.getFields() ?? {}).filter(({ name }) => /^predict[A-Z]/.test(name));
    const bare = [...types, ...fields, ...root, ...root.flatMap(({ args }) => [...args])].filter(({ description }) => !description).map(({ name }) => name);
    expect(bare).toEqual([]);
  });
});
