import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { roundedMoney } from '../../src/sources/currency.js';
import { codesOf, startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { answersWell, goodRates, sends, startRateService, today, type TestRateService } from '../kit/rate-service.js';
import { until } from '../kit/until.js';

let service: TestRateService;
let gateway: TestGateway;
/** Without a source of rates. */
let plain: TestGateway;
beforeAll(async () => {
  service = await startRateService();
  gateway = await startGateway({ EXCHANGE_RATES_URL: service.url, EXCHANGE_RATES_TTL_SECONDS: '2' });
  plain = await startGateway({ DATABASE_URL: gateway.databaseUrl });
});
afterAll(async () => {
  await plain.close();
  await gateway.close();
  await service.close();
});
afterEach(() => {
  service.behaviour = answersWell;
});

const converted = 'outputIn(currency: $currency) { currency date isStale amounts { output amount from rate } }';
const car = { company: 'Hyundai', year: 2015, kmDriven: 60_000 };
const typed = `query ($currency: Currency!) { predictCarPrice(inputs: [{ company: "${car.company}", year: ${car.year}, kmDriven: ${car.kmDriven} }]) { id sellingPrice ${converted} } }`;
const untyped = (model: string, input: string): string => `query ($currency: Currency!) { predict(model: "${model}", inputs: [${input}]) { output ${converted} } }`;
const iris = untyped('iris', '{ petal_length: 4.0, petal_width: 1.3 }');

describe('outputIn', () => {
  it('gives the price of a car in another currency, with the rate and its day', async () => {
    const { data, errors } = await gateway.ask<Any>('user', typed, { currency: 'EUR' });
    expect(errors).toEqual([]);
    const [{ sellingPrice, outputIn }] = data.predictCarPrice;
    expect(sellingPrice).toBeGreaterThan(10_000);
    expect(outputIn).toEqual({
      currency: 'EUR',
      date: today(),
      isStale: false,
      amounts: [{ output: 'selling_price', amount: roundedMoney(sellingPrice * 0.01, 'EUR'), from: 'INR', rate: 0.01 }],
    });
  });

  it.each([
    ['JPY', 1.6],
    ['KWD', 0.004],
    ['INR', 1],
    ['usd', 0.0125],
  ])('rounds to the smallest unit of %s', async (currency, rate) => {
    const { data } = await gateway.ask<Any>('user', typed, { currency });
    const [{ sellingPrice, outputIn }] = data.predictCarPrice;
    expect(outputIn.amounts[0]).toMatchObject({ amount: roundedMoney(sellingPrice * rate, currency.toUpperCase()), rate });
  });

  it('is there for predict, for the history and for node as well, and for each row', async () => {
    const input = `{ company: "${car.company}", year: ${car.year}, km_driven: ${car.kmDriven} }`;
    const { data } = await gateway.ask<Any>('user', untyped('car-price', `${input}, ${input}`), { currency: 'EUR' });
    const [one, other] = data.predict;
    expect(one.outputIn.amounts[0].amount).toBe(roundedMoney(one.output.selling_price * 0.01, 'EUR'));
    expect(other.outputIn).toEqual(one.outputIn);
    const history = await gateway.ask<Any>('user', `query ($currency: Currency!) { predictions(first: 1, filter: { model: "car-price" }) { nodes { id ${converted} } } }`, { currency: 'EUR' });
    expect(history.data.predictions.nodes[0].outputIn).toEqual(one.outputIn);
    const node = await gateway.ask<Any>('user', `query ($currency: Currency!, $id: ID!) { node(id: $id) { ... on Prediction { ${converted} } } }`, { currency: 'EUR', id: history.data.predictions.nodes[0].id });
    expect(node.data.node.outputIn).toEqual(one.outputIn);
  });

  it('is a field of the predictions of money alone', async () => {
    const { data } = await gateway.ask<Any>('admin', '{ car: __type(name: "CarPricePrediction") { fields { name } } iris: __type(name: "IrisPrediction") { fields { name } } }');
    const names = (type: Any): string[] => type.fields.map(({ name }: { name: string }) => name);
    expect(names(data.car)).toContain('outputIn');
    expect(names(data.iris)).not.toContain('outputIn');
  });

  it('says of a model whose output is not money that it is none, and leaves the answer whole', async () => {
    const { data, errors, status } = await gateway.ask<Any>('user', iris, { currency: 'EUR' });
    expect(errors).toMatchObject([{ message: expect.stringMatching(/No output of iris is money/), path: ['predict', 0, 'outputIn'], extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(data.predict[0]).toMatchObject({ output: expect.any(Object), outputIn: null });
    expect(status).toBe(200);
  });

  it('names the currencies that there are where one has no rate', async () => {
    const { data, errors } = await gateway.ask<Any>('user', typed, { currency: 'AUD' });
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', fields: [{ field: 'currency', message: 'has no rate today; known are CHF, EUR, INR, JPY, KWD, USD' }] } }]);
    expect(data.predictCarPrice[0]).toMatchObject({ sellingPrice: expect.any(Number), outputIn: null });
  });

  it('refuses what is no currency before the model is asked', async () => {
    const before = await gateway.ask<Any>('user', '{ predictions { totalCount } }');
    for (const currency of ['euro', 'ZZZ', '', 'EUR; drop table', '\u0000']) {
      expect(codesOf(await gateway.ask('user', typed, { currency }))).toEqual(['BAD_USER_INPUT']);
    }
    expect((await gateway.ask<Any>('user', '{ predictions { totalCount } }')).data).toEqual(before.data);
  });

  it('says that rates are stale, and what is wrong where there are none any more', async () => {
    await gateway.ask('user', typed, { currency: 'EUR' });
    service.behaviour = sends('', 500);
    await until(async () => (await gateway.ask<Any>('user', typed, { currency: 'EUR' })).data.predictCarPrice[0].outputIn.isStale);
    const health: Any = await (await fetch(gateway.url.replace('/graphql', '/readyz'))).json();
    expect(health).toMatchObject({ status: 'ready', parts: { exchangeRates: { isRequired: false, isUp: false, detail: `rates of ${today()}, stale` } } });
    service.behaviour = sends({ ...goodRates(), rates: { INR: 200 } });
    await until(async () => !(await gateway.ask<Any>('user', typed, { currency: 'EUR' })).data.predictCarPrice[0].outputIn.isStale, 30_000);
    expect((await gateway.ask<Any>('user', typed, { currency: 'EUR' })).data.predictCarPrice[0].outputIn.amounts[0].rate).toBe(1 / 200);
  }, 60_000);

  it('says to callers that no source is set up, and to the operator which variable sets one, once', async () => {
    for (let turn = 0; turn < 2; turn += 1) {
      const { data, errors, status } = await plain.ask<Any>('user', typed, { currency: 'EUR' });
      expect(errors).toMatchObject([{ message: expect.stringMatching(/^No source of exchange rates is set up here/), extensions: { code: 'SERVICE_UNAVAILABLE' } }]);
      expect(errors[0]?.message).not.toContain('EXCHANGE_RATES_URL');
      expect([status, data.predictCarPrice[0].sellingPrice > 0, data.predictCarPrice[0].outputIn]).toEqual([200, true, null]);
    }
    expect(plain.logs.filter(({ msg }) => String(msg).includes('EXCHANGE_RATES_URL'))).toHaveLength(1);
    const health: Any = await (await fetch(plain.url.replace('/graphql', '/readyz'))).json();
    expect(health.parts).not.toHaveProperty('exchangeRates');
  });

  it('is never kept', async () => {
    const { headers } = await gateway.ask('user', typed, { currency: 'EUR' });
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('is measured', async () => {
    await gateway.ask('user', typed, { currency: 'EUR' });
    const text = await (await fetch(gateway.metricsUrl ?? '')).text();
    expect(text).toMatch(/^auspex_exchange_rate_requests_total\{outcome="answered"\} [1-9]/m);
    expect(text).toMatch(/^auspex_exchange_rate_requests_total\{outcome="refused_by_breaker"\} \d/m);
    expect(text).toMatch(/^auspex_exchange_rates_age_seconds \d/m);
    expect(text).toMatch(/^auspex_exchange_rates_breaker_open 0$/m);
    expect(await (await fetch(plain.metricsUrl ?? '')).text()).not.toMatch(/^auspex_exchange_rate_requests_total\{/m);
  });
});
