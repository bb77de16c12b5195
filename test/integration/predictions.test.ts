import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { codesOf, fieldsOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

const predict =
  'query ($inputs: [JSONObject!]!, $version: Int) { predict(model: "car-price", inputs: $inputs, version: $version) { id version output source input durationMs } }';

/** Creates an input that is not cached: each mileage is used once. */
let mileage = 10_000;
const newCar = (more: Record<string, unknown> = {}) => ({
  company: 'Maruti',
  year: 2015,
  km_driven: (mileage += 1),
  ...more,
});

const recorded = async (): Promise<number> => {
  const response = await gateway.execute<AnyData>('user', '{ predictions(first: 1) { totalCount } }');
  return response.data.predictions.totalCount as number;
};

describe('predict', () => {
  it('returns predictions in the order of the inputs', async () => {
    const inputs = [newCar({ year: 2018 }), newCar({ year: 2005 }), newCar({ company: 'BMW', year: 2018 })];
    const { data, errors } = await gateway.execute<AnyData>('user', predict, { inputs });
    expect(errors).toEqual([]);
    expect(data.predict.map((one: AnyData) => one.input)).toEqual(inputs);
    const prices = data.predict.map((one: AnyData) => one.output.selling_price as number);
    expect(prices[0]).toBeGreaterThan(prices[1]);
    expect(prices[2]).toBeGreaterThan(prices[0]);
  });

  it('returns equal inputs from the cache, for any key order and for null or absent values', async () => {
    const car = newCar();
    const [first] = (await gateway.execute<AnyData>('user', predict, { inputs: [{ ...car, fuel: null }] })).data
      .predict;
    const { company, year, km_driven } = car;
    const [again] = (await gateway.execute<AnyData>('manager', predict, { inputs: [{ km_driven, year, company }] }))
      .data.predict;
    expect(first.source).toBe('MODEL');
    expect(again).toMatchObject({ source: 'CACHE', output: first.output });
    expect(again.id).not.toBe(first.id);
  });

  it('combines cached and new rows in one call', async () => {
    const known = newCar({ year: 2001 });
    const before = (await gateway.execute<AnyData>('user', predict, { inputs: [known] })).data.predict[0];
    const fresh = [newCar({ year: 2019 }), newCar({ company: 'Audi', year: 2016 })];
    const responses = (await gateway.execute<AnyData>('user', predict, { inputs: [fresh[0], known, fresh[1]] })).data
      .predict;
    expect(responses.map((one: AnyData) => one.source)).toEqual(['MODEL', 'CACHE', 'MODEL']);
    expect(responses[1].output).toEqual(before.output);
    expect(responses[0].output).not.toEqual(before.output);
  });

  it('separates several fields of one operation and concurrent operations', async () => {
    const document =
      'query ($a: [JSONObject!]!, $b: [JSONObject!]!) { a: predict(model: "car-price", inputs: $a) { input output } b: predict(model: "car-price", inputs: $b) { input output } c: predict(model: "iris", inputs: [{ petal_length: 1.4, petal_width: 0.2 }]) { output } }';
    const requested = Array.from({ length: 12 }, (_, turn) => ({
      a: [newCar({ year: 2000 + turn })],
      b: [newCar({ year: 2012 }), newCar({ company: 'Tata', year: 2000 + turn })],
    }));
    const together = await Promise.all(
      requested.map((variables) => gateway.execute<AnyData>('user', document, variables)),
    );
    for (const [turn, { data, errors }] of together.entries()) {
      expect(errors).toEqual([]);
      const alone = await gateway.execute<AnyData>('user', predict, {
        inputs: [...(requested[turn]?.a ?? []), ...(requested[turn]?.b ?? [])],
      });
      expect([...data.a, ...data.b].map((one: AnyData) => [one.input, one.output])).toEqual(
        alone.data.predict.map((one: AnyData) => [one.input, one.output]),
      );
      expect(data.c[0].output.species).toBe('setosa');
    }
  });

  it('lists every invalid row and field, and returns and records nothing', async () => {
    const before = await recorded();
    const inputs = [
      newCar(),
      { ...newCar(), year: '2015' },
      { company: 'Maruti', km_driven: 5, colour: 'red' },
      newCar({ year: 1500, transmission: 'Steam' }),
      newCar({ fuel: 'Wood' }),
    ];
    const response = await gateway.execute<AnyData>('user', predict, { inputs });
    expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
    const named = (response.errors[0]?.extensions.fields ?? []).map(({ row, field }) => `${row} ${field}`).sort();
    expect(named).toEqual(['1 year', '2 colour', '2 year', '3 transmission', '3 year']);
    expect(await recorded()).toBe(before);
  });

  it('rejects numbers beyond float32, prototype keys, lists, and text that PostgreSQL cannot store', async () => {
    const before = await recorded();
    const bad = (value: string) =>
      gateway.execute<AnyData>(
        'user',
        `{ predict(model: "car-price", inputs: [{ company: "Maruti", year: 2015, km_driven: ${value} }]) { output } }`,
      );
    for (const value of ['1e39', '1e999', '[5]', '{ a: 1 }', 'true', '"5"']) {
      const response = await bad(value);
      expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
      expect(fieldsOf(response)).toEqual(['km_driven']);
    }
    for (const inputs of [
      [{ ...newCar(), constructor: 1 }],
      [{ ...newCar(), company: 'a\0b' }],
      [{ ...newCar(), company: '\ud800' }],
      [[]],
      [],
    ]) {
      expect(codesOf(await gateway.execute('user', predict, { inputs }))).toEqual(['BAD_USER_INPUT']);
    }
    expect(await recorded()).toBe(before);
  });

  it('accepts up to 1000 rows', async () => {
    const rows = Array.from({ length: 1000 }, (_, row) => ({ company: 'Ford', year: 2010, km_driven: row }));
    const slim = 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output } }';
    const full = await gateway.execute<AnyData>('user', slim, { inputs: rows });
    expect(full.errors).toEqual([]);
    expect(full.data.predict).toHaveLength(1000);
    const tooMany = await gateway.execute<AnyData>('user', slim, { inputs: [...rows, newCar()] });
    expect(codesOf(tooMany)).toEqual(['BAD_USER_INPUT']);
    expect(fieldsOf(tooMany)).toEqual(['inputs']);
  });

  it('rejects an unquoted word, which JSON cannot represent, and records nothing', async () => {
    const before = await recorded();
    const row = 'company: "Maruti", year: 2014, km_driven: 90000';
    const response = await gateway.execute<AnyData>(
      'user',
      `{ predict(model: "car-price", inputs: [{ ${row}, fuel: Diesel }]) { output } }`,
    );
    expect(codesOf(response)).toEqual(['GRAPHQL_VALIDATION_FAILED']);
    expect(response.errors[0]?.message).toBe('JSON has no unquoted words: write "Diesel" instead of Diesel.');
    const manifest = await gateway.execute<AnyData>(
      'admin',
      'mutation { publishDocuments(client: "c", version: "1", manifest: { a: [Word] }) { __typename } }',
    );
    expect(codesOf(manifest)).toEqual(['GRAPHQL_VALIDATION_FAILED']);
    expect(await recorded()).toBe(before);
  });

  it('accepts inputs in camelCase and stores the names of the model', async () => {
    const { company, year, km_driven } = newCar();
    const [first] = (
      await gateway.execute<AnyData>('user', predict, { inputs: [{ company, year, kmDriven: km_driven }] })
    ).data.predict;
    expect(first.input).toEqual({ company, year, km_driven });
    const [again] = (await gateway.execute<AnyData>('user', predict, { inputs: [{ company, year, km_driven }] })).data
      .predict;
    expect(again).toMatchObject({ source: 'CACHE', output: first.output });
  });

  it('rejects an input in both spellings', async () => {
    const before = await recorded();
    const response = await gateway.execute('user', predict, { inputs: [{ ...newCar(), kmDriven: 5 }] });
    expect(response.errors[0]?.extensions.fields).toEqual([
      { row: 0, field: 'kmDriven', message: 'is the same input as km_driven; send one of them' },
    ]);
    expect(await recorded()).toBe(before);
  });

  describe('with onInvalid: NULL', () => {
    const tolerant =
      'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs, onInvalid: NULL) { id output } }';

    it('predicts and records the valid rows, and returns null and an error for each invalid one', async () => {
      const before = await recorded();
      const inputs = [newCar({ year: 1500 }), newCar(), { ...newCar(), company: null, colour: 'red' }, newCar()];
      const { status, data, errors } = await gateway.execute<AnyData>('user', tolerant, { inputs });
      expect(status).toBe(200);
      expect(data.predict.map((row: AnyData) => row?.output ?? null)).toEqual([
        null,
        { selling_price: expect.any(Number) },
        null,
        { selling_price: expect.any(Number) },
      ]);
      expect(
        errors.map(({ path, extensions }) => ({ path, code: extensions.code, fields: extensions.fields })),
      ).toEqual([
        {
          path: ['predict', 0],
          code: 'BAD_USER_INPUT',
          fields: [{ row: 0, field: 'year', message: 'must be from 1980 to 2030 (unit: year), not 1500' }],
        },
        {
          path: ['predict', 2],
          code: 'BAD_USER_INPUT',
          fields: [
            { row: 2, field: 'company', message: 'is required' },
            { row: 2, field: 'colour', message: expect.stringContaining('is not an input') },
          ],
        },
      ]);
      expect(await recorded()).toBe(before + 2);
    });

    it('bounds the errors of many invalid rows', async () => {
      const inputs = Array.from({ length: 1000 }, (_none, row) => (row === 500 ? newCar() : { nothing: row }));
      const { data, errors } = await gateway.execute<AnyData>('user', tolerant, { inputs });
      expect(data.predict.filter((row: unknown) => row !== null)).toEqual([data.predict[500]]);
      expect(errors).toHaveLength(10);
      expect(errors[8]?.message).not.toContain('more rows');
      expect(errors[9]?.message).toMatch(/ 989 more rows are invalid and null, without errors\.$/);
    });

    it('rejects an anonymous caller', async () => {
      expect(codesOf(await gateway.execute(null, tolerant, { inputs: [newCar()] }))).toEqual(['UNAUTHENTICATED']);
    });
  });

  it('reports a caller that disconnects as cancelled, without an error in the log or the metrics', async () => {
    const authorization = `Bearer ${await gateway.tokenOf('user')}`;
    const errorsBefore = gateway.logs.filter(({ level }) => level === 'error' || level === 'fatal').length;
    const cancelled = () => gateway.logs.filter(({ errors }) => String(errors) === 'REQUEST_CANCELLED').length;
    const before = cancelled();
    const url = new URL(gateway.url);
    for (let attempt = 0; attempt < 20 && cancelled() === before; attempt += 1) {
      const inputs = Array.from({ length: 1000 }, () => newCar());
      const body = JSON.stringify({
        query: 'query ($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output } }',
        variables: { inputs },
      });
      const sent = request(url, { method: 'POST', headers: { authorization, 'content-type': 'application/json' } });
      sent.on('error', () => undefined);
      sent.end(body, () => setTimeout(() => sent.destroy(), attempt));
      await new Promise((resolve) => sent.once('close', resolve));
      await sleep(100);
    }
    expect(cancelled()).toBeGreaterThan(before);
    expect(gateway.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toHaveLength(errorsBefore);
  });

  it('rejects an unknown model or version and lists the known ones', async () => {
    const noModel = await gateway.execute('user', '{ predict(model: "bicycle", inputs: [{ a: 1 }]) { output } }');
    expect(codesOf(noModel)).toEqual(['BAD_USER_INPUT']);
    expect(noModel.errors[0]?.message).toContain('car-price, digits, iris, salary-benchmark, sms-spam');
    const noVersion = await gateway.execute('user', predict, { inputs: [newCar()], version: 7 });
    expect(fieldsOf(noVersion)).toEqual(['version']);
  });

  it('rejects an anonymous caller and an API key without the scope, and records nothing', async () => {
    const before = await recorded();
    const anonymous = await gateway.execute(null, predict, { inputs: [newCar()] });
    expect([anonymous.status, ...codesOf(anonymous)]).toEqual([401, 'UNAUTHENTICATED']);
    const made = await gateway.execute<AnyData>(
      'user',
      'mutation { createApiKey(name: "reader", scopes: ["employees:read"]) { secret } }',
    );
    const reader = await gateway.execute({ apiKey: made.data.createApiKey.secret }, predict, { inputs: [newCar()] });
    expect(codesOf(reader)).toEqual(['FORBIDDEN']);
    expect(await recorded()).toBe(before);
  });

  it('can be requested by GET', async () => {
    const url = new URL(gateway.url);
    url.searchParams.set(
      'query',
      '{ predict(model: "iris", inputs: [{ petal_length: 5.5, petal_width: 2.1 }]) { output } }',
    );
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${await gateway.tokenOf('user')}`, 'apollo-require-preflight': 'yes' },
    });
    const body = await response.json();
    expect(body.data.predict[0].output.species).toBe('virginica');
  });
});

describe('models', () => {
  it('describe their inputs and metrics', async () => {
    const document =
      '{ models { name title versions { version } current { version digest metrics inputs { name type required unit minimum maximum values shape } outputs { name type unit } } } }';
    const { data, errors } = await gateway.execute<AnyData>('user', document);
    expect(errors).toEqual([]);
    expect(data.models.map((model: AnyData) => model.name)).toEqual([
      'car-price',
      'digits',
      'iris',
      'salary-benchmark',
      'sms-spam',
    ]);
    const [car] = data.models;
    expect(car.current.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(car.current.metrics.r2).toBeGreaterThan(0.87);
    expect(car.current.outputs).toEqual([{ name: 'selling_price', type: 'float', unit: 'INR' }]);
    expect(car.current.inputs.find((field: AnyData) => field.name === 'year')).toMatchObject({
      type: 'integer',
      required: true,
      minimum: 1980,
      maximum: 2030,
      shape: [null, 1],
    });
  });

  it('are null if unknown, and rejected for anonymous callers', async () => {
    expect((await gateway.execute<AnyData>('user', '{ model(name: "bicycle") { name } }')).data).toEqual({
      model: null,
    });
    expect(codesOf(await gateway.execute(null, '{ models { name } }'))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('the prediction history', () => {
  it('contains the user, input and output of a prediction as soon as it is returned', async () => {
    const car = newCar();
    const [requested] = (await gateway.execute<AnyData>('manager', predict, { inputs: [car] })).data.predict;
    const document =
      'query ($id: ID!) { prediction(id: $id) { id input output source version durationMs requestedBy { email } model { name } createdAt } }';
    const { data } = await gateway.execute<AnyData>('manager', document, { id: requested.id });
    expect(data.prediction).toMatchObject({
      id: requested.id,
      input: car,
      output: requested.output,
      source: 'MODEL',
      version: 1,
      requestedBy: { email: 'manager@example.com' },
      model: { name: 'car-price' },
    });
    expect(Date.parse(data.prediction.createdAt as string)).toBeGreaterThan(Date.now() - 60_000);
    const row = await gateway.db
      .selectFrom('prediction')
      .selectAll()
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow();
    expect(row.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('shows users their own predictions and administrators all', async () => {
    const [managers] = (await gateway.execute<AnyData>('manager', predict, { inputs: [newCar()] })).data.predict;
    await gateway.execute('user', predict, { inputs: [newCar()] });
    const one = 'query ($id: ID!) { prediction(id: $id) { id } }';
    expect((await gateway.execute<AnyData>('user', one, { id: managers.id })).data).toEqual({ prediction: null });
    // The manager's read waits for the write.
    for (const caller of ['manager', 'admin'] as const)
      expect((await gateway.execute<AnyData>(caller, one, { id: managers.id })).data.prediction.id).toBe(managers.id);
    const list = '{ predictions(first: 100) { nodes { requestedBy { email } } } }';
    const seen = async (caller: 'user' | 'admin') =>
      new Set(
        (await gateway.execute<AnyData>(caller, list)).data.predictions.nodes.map(
          (node: AnyData) => node.requestedBy.email as string,
        ),
      );
    expect(await seen('user')).toEqual(new Set(['user@example.com']));
    expect((await seen('admin')).size).toBeGreaterThan(1);
  });

  it('rejects an id of another type and returns null for an unknown one', async () => {
    const one = 'query ($id: ID!) { prediction(id: $id) { id } }';
    expect(codesOf(await gateway.execute('user', one, { id: 'employee_01h455vb4pex5vsknk084sn02q' }))).toEqual([
      'BAD_USER_INPUT',
    ]);
    expect((await gateway.execute<AnyData>('user', one, { id: 'prediction_01h455vb4pex5vsknk084sn02q' })).data).toEqual(
      {
        prediction: null,
      },
    );
  });

  it('is paginated, newest first, and can be filtered', async () => {
    const inputs = Array.from({ length: 7 }, () => newCar());
    await gateway.execute('user', predict, { inputs });
    await gateway.execute('user', predict, { inputs: inputs.slice(0, 1) });
    const ids: string[] = [];
    let after: string | null = null;
    do {
      const document =
        'query ($after: String) { predictions(first: 3, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }';
      const response: AnyData = await gateway.execute<AnyData>('user', document, { after });
      const { predictions } = response.data;
      ids.push(...predictions.nodes.map((node: AnyData) => node.id as string));
      after = predictions.pageInfo.hasNextPage ? (predictions.pageInfo.endCursor as string) : null;
    } while (after !== null);
    expect(ids).toEqual([...new Set(ids)].sort().reverse());
    const count = async (filter: string) =>
      (await gateway.execute<AnyData>('user', `{ predictions(filter: ${filter}) { totalCount } }`)).data.predictions
        .totalCount as number;
    expect(await count('{}')).toBe(ids.length);
    expect(await count('{ model: "car-price", version: 1, source: MODEL }')).toBeLessThan(ids.length);
    expect((await count('{ source: MODEL }')) + (await count('{ source: CACHE }'))).toBe(ids.length);
    expect(await count('{ model: "bicycle" }')).toBe(0);
    expect(await count('{ createdAfter: "2100-01-01T00:00:00Z" }')).toBe(0);
    expect(await count('{ createdBefore: "2100-01-01T00:00:00Z" }')).toBe(ids.length);
  });

  it('is available as User.predictions to the user and administrators', async () => {
    await gateway.execute('user', predict, { inputs: [newCar(), newCar()] });
    const own = await gateway.execute<AnyData>('user', '{ me { predictions(first: 2) { totalCount nodes { id } } } }');
    expect(own.errors).toEqual([]);
    expect(own.data.me.predictions.nodes).toHaveLength(2);
    const all = await gateway.execute<AnyData>(
      'admin',
      '{ users { nodes { email predictions(first: 1) { totalCount } } } }',
    );
    expect(all.errors).toEqual([]);
    const users = all.data.users.nodes.find((user: AnyData) => user.email === 'user@example.com');
    expect(users.predictions.totalCount).toBe(own.data.me.predictions.totalCount);
  });

  it('includes predictions of a removed model', async () => {
    const admin = await gateway.db
      .selectFrom('user_account')
      .select('id')
      .where('email', '=', 'admin@example.com')
      .executeTakeFirstOrThrow();
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
    const { data, errors } = await gateway.execute<AnyData>(
      'admin',
      '{ predictions(filter: { model: "retired" }) { nodes { version model { name current { version inputs { name } } } } } }',
    );
    expect(errors).toEqual([]);
    expect(data.predictions.nodes).toEqual([
      { version: 3, model: { name: 'retired', current: { version: 3, inputs: [] } } },
    ]);
  });
});
