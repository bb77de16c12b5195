import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { projectDir } from '../../src/app/data-dir.js';
import { newId } from '../../src/database/base.entity.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { roundMoney } from '../../src/integrations/exchange-rates/currency.js';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import {
  respondsWell,
  goodRates,
  sends,
  startRateService,
  today,
  type TestRateService,
} from '../support/rate-service.js';
import { waitUntil } from '../support/wait-until.js';

let service: TestRateService;
let gateway: TestGateway;
/** Without EXCHANGE_RATES_URL. */
let unconfigured: TestGateway;
beforeAll(async () => {
  service = await startRateService();
  gateway = await startGateway({ EXCHANGE_RATES_URL: service.url, EXCHANGE_RATES_TTL_SECONDS: '2' });
  unconfigured = await startGateway({ DATABASE_URL: gateway.databaseUrl });
});
afterAll(async () => {
  await unconfigured.close();
  await gateway.close();
  await service.close();
});
afterEach(() => {
  service.behaviour = respondsWell;
});

const converted = 'outputIn(currency: $currency) { currency date isStale amounts { output amount from rate } }';
const car = { company: 'Hyundai', year: 2015, kmDriven: 60_000 };
const typed = `query ($currency: Currency!) { predictCarPrice(inputs: [{ company: "${car.company}", year: ${car.year}, kmDriven: ${car.kmDriven} }]) { predictionId sellingPrice ${converted} } }`;
const untyped = (model: string, input: string): string =>
  `query ($currency: Currency!) { predict(model: "${model}", inputs: [${input}]) { output ${converted} } }`;
const iris = untyped('iris', '{ petal_length: 4.0, petal_width: 1.3 }');

describe('outputIn', () => {
  it('converts the price of a car, with the rate and its date', async () => {
    const { data, errors } = await gateway.execute<AnyData>('user', typed, { currency: 'EUR' });
    expect(errors).toEqual([]);
    const [{ sellingPrice, outputIn }] = data.predictCarPrice;
    expect(sellingPrice).toBeGreaterThan(10_000);
    expect(outputIn).toEqual({
      currency: 'EUR',
      date: today(),
      isStale: false,
      amounts: [{ output: 'selling_price', amount: roundMoney(sellingPrice * 0.01, 'EUR'), from: 'INR', rate: 0.01 }],
    });
  });

  it.each([
    ['JPY', 1.6],
    ['KWD', 0.004],
    ['INR', 1],
    ['usd', 0.0125],
  ])('rounds to the minor unit of %s', async (currency, rate) => {
    const { data } = await gateway.execute<AnyData>('user', typed, { currency });
    const [{ sellingPrice, outputIn }] = data.predictCarPrice;
    expect(outputIn.amounts[0]).toMatchObject({
      amount: roundMoney(sellingPrice * rate, currency.toUpperCase()),
      rate,
    });
  });

  it('converts each row of predict, predictions and node', async () => {
    const input = `{ company: "${car.company}", year: ${car.year}, km_driven: ${car.kmDriven} }`;
    const { data } = await gateway.execute<AnyData>('user', untyped('car-price', `${input}, ${input}`), {
      currency: 'EUR',
    });
    const [one, other] = data.predict;
    expect(one.outputIn.amounts[0].amount).toBe(roundMoney(one.output.selling_price * 0.01, 'EUR'));
    expect(other.outputIn).toEqual(one.outputIn);
    const history = await gateway.execute<AnyData>(
      'user',
      `query ($currency: Currency!) { predictions(first: 1, filter: { model: "car-price" }) { nodes { id ${converted} } } }`,
      { currency: 'EUR' },
    );
    expect(history.data.predictions.nodes[0].outputIn).toEqual(one.outputIn);
    const node = await gateway.execute<AnyData>(
      'user',
      `query ($currency: Currency!, $id: ID!) { node(id: $id) { ... on Prediction { ${converted} } } }`,
      { currency: 'EUR', id: history.data.predictions.nodes[0].id },
    );
    expect(node.data.node.outputIn).toEqual(one.outputIn);
  });

  it('is a field only of predictions with a currency', async () => {
    const { data } = await gateway.execute<AnyData>(
      'admin',
      '{ car: __type(name: "CarPricePrediction") { fields { name } } iris: __type(name: "IrisPrediction") { fields { name } } }',
    );
    const names = (type: AnyData): string[] => type.fields.map(({ name }: { name: string }) => name);
    expect(names(data.car)).toContain('outputIn');
    expect(names(data.iris)).not.toContain('outputIn');
  });

  it('returns BAD_USER_INPUT for a model without a currency, beside the other fields', async () => {
    const { data, errors, status } = await gateway.execute<AnyData>('user', iris, { currency: 'EUR' });
    expect(errors).toMatchObject([
      {
        message: expect.stringMatching(/No output of iris is an amount of money/),
        path: ['predict', 0, 'outputIn'],
        extensions: { code: 'BAD_USER_INPUT' },
      },
    ]);
    expect(data.predict[0]).toMatchObject({ output: expect.any(Object), outputIn: null });
    expect(status).toBe(200);
  });

  it('lists the known currencies if one has no rate', async () => {
    const { data, errors } = await gateway.execute<AnyData>('user', typed, { currency: 'AUD' });
    expect(errors).toMatchObject([
      {
        extensions: {
          code: 'BAD_USER_INPUT',
          fields: [{ field: 'currency', message: 'has no rate today; known are CHF, EUR, INR, JPY, KWD, USD' }],
        },
      },
    ]);
    expect(data.predictCarPrice[0]).toMatchObject({ sellingPrice: expect.any(Number), outputIn: null });
  });

  it('rejects an invalid currency before the model runs', async () => {
    const before = await gateway.execute<AnyData>('user', '{ predictions { totalCount } }');
    for (const currency of ['euro', 'ZZZ', '', 'EUR; drop table', '\u0000']) {
      expect(codesOf(await gateway.execute('user', typed, { currency }))).toEqual(['BAD_USER_INPUT']);
    }
    expect((await gateway.execute<AnyData>('user', '{ predictions { totalCount } }')).data).toEqual(before.data);
  });

  it('reports stale rates while the service fails, and fresh ones once it recovers', async () => {
    await gateway.execute('user', typed, { currency: 'EUR' });
    service.behaviour = sends('', 500);
    await waitUntil(
      async () =>
        (await gateway.execute<AnyData>('user', typed, { currency: 'EUR' })).data.predictCarPrice[0].outputIn.isStale,
    );
    const health: AnyData = await (await fetch(gateway.url.replace('/graphql', '/readyz'))).json();
    expect(health).toMatchObject({
      status: 'ready',
      parts: { exchangeRates: { isRequired: false, isUp: false, detail: `rates of ${today()}, stale` } },
    });
    service.behaviour = sends({ ...goodRates(), rates: { INR: 200 } });
    await waitUntil(
      async () =>
        !(await gateway.execute<AnyData>('user', typed, { currency: 'EUR' })).data.predictCarPrice[0].outputIn.isStale,
      'A fresh rate',
      30_000,
    );
    expect(
      (await gateway.execute<AnyData>('user', typed, { currency: 'EUR' })).data.predictCarPrice[0].outputIn.amounts[0]
        .rate,
    ).toBe(1 / 200);
  }, 60_000);

  it('returns SERVICE_UNAVAILABLE without a configured source, and logs the variable to set once', async () => {
    for (let turn = 0; turn < 2; turn += 1) {
      const { data, errors, status } = await unconfigured.execute<AnyData>('user', typed, { currency: 'EUR' });
      expect(errors).toMatchObject([
        {
          message: expect.stringMatching(/^No source of exchange rates is configured/),
          extensions: { code: 'SERVICE_UNAVAILABLE' },
        },
      ]);
      expect(errors[0]?.message).not.toContain('EXCHANGE_RATES_URL');
      expect([status, data.predictCarPrice[0].sellingPrice > 0, data.predictCarPrice[0].outputIn]).toEqual([
        200,
        true,
        null,
      ]);
    }
    expect(unconfigured.logs.filter(({ msg }) => String(msg).includes('EXCHANGE_RATES_URL'))).toHaveLength(1);
    const health: AnyData = await (await fetch(unconfigured.url.replace('/graphql', '/readyz'))).json();
    expect(health.parts).not.toHaveProperty('exchangeRates');
  });

  it('uses the currency that the output had at the time of the call', async () => {
    const store = await mkdtemp(path.join(tmpdir(), 'auspex-units-'));
    await cp(path.join(projectDir, 'model-store', 'car-price'), path.join(store, 'car-price'), { recursive: true });
    const other = await startGateway({
      EXCHANGE_RATES_URL: service.url,
      MODEL_STORE: store,
      MODEL_STORE_POLL_MS: '20',
    });
    const read = async (query: string, variables: Record<string, unknown>): Promise<AnyData> => {
      const { data, errors } = await other.execute<AnyData>('user', query, { currency: 'EUR', ...variables });
      expect(errors).toEqual([]);
      return data;
    };
    const input = `{ company: "${car.company}", year: ${car.year}, km_driven: ${car.kmDriven} }`;
    const run = `query ($currency: Currency!) { predict(model: "car-price", inputs: [${input}]) { id units signatureDigest ${converted} } }`;
    const one = `query ($currency: Currency!, $id: ID!) { prediction(id: $id) { id units signatureDigest ${converted} } }`;
    try {
      const [before] = (await read(run, {})).predict;
      expect([before.units, before.outputIn.amounts[0].from]).toEqual([{ selling_price: 'INR' }, 'INR']);
      const manifest = path.join(store, 'car-price', 'model.yaml');
      await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('unit: INR', 'unit: USD'));
      let after: AnyData;
      await waitUntil(async () => {
        [after] = (await read(run, {})).predict;
        return after.units.selling_price === 'USD';
      });
      expect([after.outputIn.amounts[0].from, after.signatureDigest === before.signatureDigest]).toEqual([
        'USD',
        false,
      ]);
      expect((await read(one, { id: before.id })).prediction).toEqual(before);

      // A row of an earlier release, which did not store units.
      const id = newId();
      await sql`insert into prediction (id, user_id, model, version, digest, input, output, source, duration_ms, created_at)
        select ${id}, user_id, model, version, digest, input, output, source, duration_ms, now() from prediction limit 1`.execute(
        other.db,
      );
      const old = await other.execute<AnyData>('user', one, { currency: 'EUR', id: encodeId('prediction', id) });
      expect(old.data.prediction).toMatchObject({ units: null, signatureDigest: null, outputIn: null });
      expect(old.errors).toMatchObject([
        {
          message: expect.stringMatching(/^The currency of this prediction is unknown/),
          extensions: { code: 'BAD_USER_INPUT' },
        },
      ]);
    } finally {
      await other.close();
      await rm(store, { recursive: true });
    }
  });

  it('is never cached', async () => {
    const { headers } = await gateway.execute('user', typed, { currency: 'EUR' });
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('has metrics, only with a configured source', async () => {
    await gateway.execute('user', typed, { currency: 'EUR' });
    const text = await (await fetch(gateway.metricsUrl ?? '')).text();
    expect(text).toMatch(/^auspex_exchange_rate_requests_total\{outcome="succeeded"\} [1-9]/m);
    expect(text).toMatch(/^auspex_exchange_rate_requests_total\{outcome="rejected_by_breaker"\} \d/m);
    expect(text).toMatch(/^auspex_exchange_rates_age_seconds \d/m);
    expect(text).toMatch(/^auspex_exchange_rates_breaker_open 0$/m);
    expect(await (await fetch(unconfigured.metricsUrl ?? '')).text()).not.toMatch(
      /^auspex_exchange_rate_requests_total\{/m,
    );
  });
});
