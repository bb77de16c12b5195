import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { codesOf, fieldsOf, startGateway, type Any, type TestGateway } from '../kit/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

const predict = 'query ($inputs: [JSONObject!]!, $version: Int) { predict(model: "car-price", inputs: $inputs, version: $version) { id version output source input durationMs } }';

/** A car that nobody has asked for yet: each mileage is used once. */
let mileage = 10_000;
const newCar = (more: Record<string, unknown> = {}) => ({ company: 'Maruti', year: 2015, km_driven: (mileage += 1), ...more });

const recorded = async (): Promise<number> => {
  const answer = await gateway.ask<Any>('admin', '{ predictions(first: 1) { totalCount } }');
  return answer.data.predictions.totalCount as number;
};

describe('predict', () => {
  it('answers in the order of the inputs, each with its own input', async () => {
    const inputs = [newCar({ year: 2018 }), newCar({ year: 2005 }), newCar({ company: 'BMW', year: 2018 })];
    const { data, errors } = await gateway.ask<Any>('user', predict, { inputs });
    expect(errors).toEqual([]);
    expect(data.predict.map((one: Any) => one.input)).toEqual(inputs);
    const prices = data.predict.map((one: Any) => one.output.selling_price as number);
    expect(prices[0]).toBeGreaterThan(prices[1]);
    expect(prices[2]).toBeGreaterThan(prices[0]);
  });

  it('answers the same question from the cache, whatever the order of its keys and however it is missing a value', async () => {
    const car = newCar();
    const [first] = (await gateway.ask<Any>('user', predict, { inputs: [{ ...car, fuel: null }] })).data.predict;
    const { company, year, km_driven } = car;
    const [again] = (await gateway.ask<Any>('manager', predict, { inputs: [{ km_driven, year, company }] })).data.predict;
    expect(first.source).toBe('MODEL');
    expect(again).toMatchObject({ source: 'CACHE', output: first.output });
    expect(again.id).not.toBe(first.id);
  });

  it('mixes cached and new rows in one call without mixing their answers', async () => {
    const known = newCar({ year: 2001 });
    const before = (await gateway.ask<Any>('user', predict, { inputs: [known] })).data.predict[0];
    const fresh = [newCar({ year: 2019 }), newCar({ company: 'Audi', year: 2016 })];
    const answers = (await gateway.ask<Any>('user', predict, { inputs: [fresh[0], known, fresh[1]] })).data.predict;
    expect(answers.map((one: Any) => one.source)).toEqual(['MODEL', 'CACHE', 'MODEL']);
    expect(answers[1].output).toEqual(before.output);
    expect(answers[0].output).not.toEqual(before.output);
  });

  it('keeps several predict fields in one operation and several operations at a time apart', async () => {
    const document =
      'query ($a: [JSONObject!]!, $b: [JSONObject!]!) { a: predict(model: "car-price", inputs: $a) { input output } b: predict(model: "car-price", inputs: $b) { input output } c: predict(model: "iris", inputs: [{ petal_length: 1.4, petal_width: 0.2 }]) { output } }';
    const asked = Array.from({ length: 12 }, (_, turn) => ({ a: [newCar({ year: 2000 + turn })], b: [newCar({ year: 2012 }), newCar({ company: 'Tata', year: 2000 + turn })] }));
    const together = await Promise.all(asked.map((variables) => gateway.ask<Any>('user', document, variables)));
    for (const [turn, { data, errors }] of together.entries()) {
      expect(errors).toEqual([]);
      const alone = await gateway.ask<Any>('user', predict, { inputs: [...(asked[turn]?.a ?? []), ...(asked[turn]?.b ?? [])] });
      expect([...data.a, ...data.b].map((one: Any) => [one.input, one.output])).toEqual(alone.data.predict.map((one: Any) => [one.input, one.output]));
      expect(data.c[0].output.species).toBe('setosa');
    }
  });

  it('names every faulty row and field, and neither answers nor records anything', async () => {
    const before = await recorded();
    const inputs = [
      newCar(),
      { ...newCar(), year: '2015' },
      { company: 'Maruti', km_driven: 5, colour: 'red' },
      newCar({ year: 1500, transmission: 'Steam' }),
      newCar({ fuel: 'Wood' }),
    ];
    const answer = await gateway.ask<Any>('user', predict, { inputs });
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
    const named = (answer.errors[0]?.extensions.fields ?? []).map(({ row, field }) => `${row} ${field}`).sort();
    expect(named).toEqual(['1 year', '2 colour', '2 year', '3 transmission', '3 year']);
    expect(await recorded()).toBe(before);
  });

  it('refuses what JSON can smuggle in: numbers beyond float32, prototypes, lists and text that PostgreSQL cannot hold', async () => {
    const before = await recorded();
    const bad = (value: string) =>
      gateway.ask<Any>('user', `{ predict(model: "car-price", inputs: [{ company: "Maruti", year: 2015, km_driven: ${value} }]) { output } }`);
    for (const value of ['1e39', '1e999', '[5]', '{ a: 1 }', 'true', '"5"']) {
      const answer = await bad(value);
      expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
      expect(fieldsOf(answer)).toEqual(['km_driven']);
    }
    for (const inputs of [[{ ...newCar(), constructor: 1 }], [{ ...newCar(), company: 'a\0b' }], [{ ...newCar(), company: '\ud800' }], [[]], []]) {
      expect(codesOf(await gateway.ask('user', predict, { inputs }))).toEqual(['BAD_USER_INPUT']);
    }
    expect(await recorded()).toBe(before);
  });

  it('takes 1000 rows at a time and no more', async () => {
    const rows = Array.from({ length: 1000 }, (_, row) => ({ company: 'Ford', year: 2010, km_driven: row }));
    const slim = 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output } }';
    const full = await gateway.ask<Any>('user', slim, { inputs: rows });
    expect(full.errors).toEqual([]);
    expect(full.data.predict).toHaveLength(1000);
    const tooMany = await gateway.ask<Any>('user', slim, { inputs: [...rows, newCar()] });
    expect(codesOf(tooMany)).toEqual(['BAD_USER_INPUT']);
    expect(fieldsOf(tooMany)).toEqual(['inputs']);
  });

  it('names the models and versions there are where one is unknown', async () => {
    const noModel = await gateway.ask('user', '{ predict(model: "bicycle", inputs: [{ a: 1 }]) { output } }');
    expect(codesOf(noModel)).toEqual(['BAD_USER_INPUT']);
    expect(noModel.errors[0]?.message).toContain('car-price, digits, iris');
    const noVersion = await gateway.ask('user', predict, { inputs: [newCar()], version: 7 });
    expect(fieldsOf(noVersion)).toEqual(['version']);
  });

  it('refuses a stranger and an API key without the scope, and records nothing', async () => {
    const before = await recorded();
    const stranger = await gateway.ask(null, predict, { inputs: [newCar()] });
    expect([stranger.status, ...codesOf(stranger)]).toEqual([401, 'UNAUTHENTICATED']);
    const made = await gateway.ask<Any>('user', 'mutation { createApiKey(name: "reader", scopes: ["employees:read"]) { secret } }');
    const reader = await gateway.ask({ apiKey: made.data.createApiKey.secret }, predict, { inputs: [newCar()] });
    expect(codesOf(reader)).toEqual(['FORBIDDEN']);
    expect(await recorded()).toBe(before);
  });

  it('can be asked by GET', async () => {
    const url = new URL(gateway.url);
    url.searchParams.set('query', '{ predict(model: "iris", inputs: [{ petal_length: 5.5, petal_width: 2.1 }]) { output } }');
    const response = await fetch(url, { headers: { authorization: `Bearer ${await gateway.tokenOf('user')}`, 'apollo-require-preflight': 'yes' } });
    const body = (await response.json());
    expect(body.data.predict[0].output.species).toBe('virginica');
  });
});

describe('models', () => {
  it('tell what a row holds and how good they are', async () => {
    const document = '{ models { name title versions { version } current { version digest metrics inputs { name type required unit minimum maximum values shape } outputs { name type unit } } } }';
    const { data, errors } = await gateway.ask<Any>('user', document);
    expect(errors).toEqual([]);
    expect(data.models.map((model: Any) => model.name)).toEqual(['car-price', 'digits', 'iris']);
    const [car] = data.models;
    expect(car.current.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(car.current.metrics.r2).toBeGreaterThan(0.87);
    expect(car.current.outputs).toEqual([{ name: 'selling_price', type: 'float', unit: 'INR' }]);
    expect(car.current.inputs.find((field: Any) => field.name === 'year')).toMatchObject({ type: 'integer', required: true, minimum: 1980, maximum: 2030, shape: [null, 1] });
  });

  it('are null where unknown, and closed to strangers', async () => {
    expect((await gateway.ask<Any>('user', '{ model(name: "bicycle") { name } }')).data).toEqual({ model: null });
    expect(codesOf(await gateway.ask(null, '{ models { name } }'))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('the history', () => {
  it('holds who asked, what, and what came out; it is there as soon as it is asked for', async () => {
    const car = newCar();
    const [asked] = (await gateway.ask<Any>('manager', predict, { inputs: [car] })).data.predict;
    const document = 'query ($id: ID!) { prediction(id: $id) { id input output source version durationMs requestedBy { email } model { name } createdAt } }';
    const { data } = await gateway.ask<Any>('manager', document, { id: asked.id });
    expect(data.prediction).toMatchObject({
      id: asked.id,
      input: car,
      output: asked.output,
      source: 'MODEL',
      version: 1,
      requestedBy: { email: 'manager@example.com' },
      model: { name: 'car-price' },
    });
    expect(Date.parse(data.prediction.createdAt as string)).toBeGreaterThan(Date.now() - 60_000);
    const row = await gateway.db.selectFrom('prediction').selectAll().orderBy('id', 'desc').limit(1).executeTakeFirstOrThrow();
    expect(row.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('shows each user the own predictions, an ADMIN everyone’s', async () => {
    const [managers] = (await gateway.ask<Any>('manager', predict, { inputs: [newCar()] })).data.predict;
    const one = 'query ($id: ID!) { prediction(id: $id) { id } }';
    expect((await gateway.ask<Any>('user', one, { id: managers.id })).data).toEqual({ prediction: null });
    expect((await gateway.ask<Any>('admin', one, { id: managers.id })).data.prediction.id).toBe(managers.id);
    const list = '{ predictions(first: 100) { nodes { requestedBy { email } } } }';
    const seen = async (asker: 'user' | 'admin') =>
      new Set((await gateway.ask<Any>(asker, list)).data.predictions.nodes.map((node: Any) => node.requestedBy.email as string));
    expect(await seen('user')).toEqual(new Set(['user@example.com']));
    expect((await seen('admin')).size).toBeGreaterThan(1);
  });

  it('refuses an id of another type, and finds nothing under an unknown one', async () => {
    const one = 'query ($id: ID!) { prediction(id: $id) { id } }';
    expect(codesOf(await gateway.ask('user', one, { id: 'employee_01h455vb4pex5vsknk084sn02q' }))).toEqual(['BAD_USER_INPUT']);
    expect((await gateway.ask<Any>('user', one, { id: 'prediction_01h455vb4pex5vsknk084sn02q' })).data).toEqual({ prediction: null });
  });

  it('comes in pages, the newest first, and can be filtered', async () => {
    const inputs = Array.from({ length: 7 }, () => newCar());
    await gateway.ask('user', predict, { inputs });
    const ids: string[] = [];
    let after: string | null = null;
    do {
      const document = 'query ($after: String) { predictions(first: 3, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }';
      const answer: Any = await gateway.ask<Any>('user', document, { after });
      const { predictions } = answer.data;
      ids.push(...predictions.nodes.map((node: Any) => node.id as string));
      after = predictions.pageInfo.hasNextPage ? (predictions.pageInfo.endCursor as string) : null;
    } while (after !== null);
    expect(ids).toEqual([...new Set(ids)].sort().reverse());
    const count = async (filter: string) => (await gateway.ask<Any>('user', `{ predictions(filter: ${filter}) { totalCount } }`)).data.predictions.totalCount as number;
    expect(await count('{}')).toBe(ids.length);
    expect(await count('{ model: "car-price", version: 1, source: MODEL }')).toBeLessThan(ids.length);
    expect((await count('{ source: MODEL }')) + (await count('{ source: CACHE }'))).toBe(ids.length);
    expect(await count('{ model: "bicycle" }')).toBe(0);
    expect(await count('{ createdAfter: "2100-01-01T00:00:00Z" }')).toBe(0);
    expect(await count('{ createdBefore: "2100-01-01T00:00:00Z" }')).toBe(ids.length);
  });

  it('lies under User.predictions for the user and for an ADMIN', async () => {
    const own = await gateway.ask<Any>('user', '{ me { predictions(first: 2) { totalCount nodes { id } } } }');
    expect(own.errors).toEqual([]);
    expect(own.data.me.predictions.nodes).toHaveLength(2);
    const all = await gateway.ask<Any>('admin', '{ users { nodes { email predictions(first: 1) { totalCount } } } }');
    expect(all.errors).toEqual([]);
    const users = all.data.users.nodes.find((user: Any) => user.email === 'user@example.com');
    expect(users.predictions.totalCount).toBe(own.data.me.predictions.totalCount);
  });

  it('still tells of a model that has left the store', async () => {
    const admin = await gateway.db.selectFrom('user_account').select('id').where('email', '=', 'admin@example.com').executeTakeFirstOrThrow();
    await gateway.db
      .insertInto('prediction')
      .values({
        id: '019b8d62-0000-7000-8000-000000000001',
        user_id: admin.id,
        model: 'retired',
        version: 3,
        digest: 'd'.repeat(64),
        input: { a: 1 },
        output: { b: 2 },
        source: 'MODEL' as never,
        age_seconds: 0,
        duration_ms: 1,
        created_at: new Date('2026-01-05T09:00:00Z'),
      })
      .execute();
    const { data, errors } = await gateway.ask<Any>('admin', '{ predictions(filter: { model: "retired" }) { nodes { version model { name current { version inputs { name } } } } } }');
    expect(errors).toEqual([]);
    expect(data.predictions.nodes).toEqual([{ version: 3, model: { name: 'retired', current: { version: 3, inputs: [] } } }]);
  });
});
