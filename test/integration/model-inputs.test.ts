import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

describe('warnings of a prediction', () => {
  const predict = `query ($inputs: [JSONObject!]!) {
    predict(model: "car-price", inputs: $inputs) { id source output warnings { field code message } }
  }`;
  const absurd = { company: 'Zaporozhets', year: 2030, km_driven: 3_000_000, max_power_bhp: 1000, fuel: 'Uranium' };
  const usual = { company: 'Maruti', year: 2015, km_driven: 60_000, fuel: 'Petrol', max_power_bhp: 80 };
  const found = (prediction: AnyData): string[] =>
    prediction.warnings.map(({ field, code }: AnyData) => `${field} ${code}`) as string[];

  it('name inputs unlike those of the training, in predict, from the cache and in the history', async () => {
    const { data, errors } = await gateway.execute<AnyData>('user', predict, { inputs: [usual, absurd] });
    expect(errors).toEqual([]);
    expect(data.predict[0].warnings).toEqual([]);
    const expected = [
      'company UNKNOWN_CATEGORY',
      'year OUT_OF_TRAINING_RANGE',
      'km_driven OUT_OF_TRAINING_RANGE',
      'fuel UNKNOWN_CATEGORY',
      'max_power_bhp OUT_OF_TRAINING_RANGE',
    ];
    expect(found(data.predict[1]).sort()).toEqual(expected.sort());
    expect(data.predict[1].output.selling_price).toBeGreaterThan(0);

    const [again] = (await gateway.execute<AnyData>('manager', predict, { inputs: [absurd] })).data.predict;
    expect(again.source).toBe('CACHE');
    expect(again.warnings).toEqual(data.predict[1].warnings);

    const recorded = await gateway.execute<AnyData>(
      'user',
      'query ($id: ID!) { prediction(id: $id) { warnings { field code message } } }',
      { id: data.predict[1].id },
    );
    expect(recorded.data.prediction.warnings).toEqual(data.predict[1].warnings);
  });

  it('have the names of the schema in typed fields', async () => {
    const { data, errors } = await gateway.execute<AnyData>(
      'user',
      'query ($inputs: [CarPriceInput!]!) { predictCarPrice(inputs: $inputs) { warnings { field code } } }',
      { inputs: [{ ...usual, company: 'Maruti', km_driven: 2_999_999 }, usual] },
    );
    expect(errors).toEqual([]);
    expect(data.predictCarPrice.map((one: AnyData) => one.warnings)).toEqual([
      [{ field: 'kmDriven', code: 'OUT_OF_TRAINING_RANGE' }],
      [],
    ]);
  });
});
