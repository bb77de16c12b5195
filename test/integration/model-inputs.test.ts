import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

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

describe('images and texts as inputs', () => {
  /** A zero in dark ink on light paper, 120 x 160 pixels. */
  const zero = async (format: 'png' | 'jpeg' = 'png'): Promise<string> => {
    const [width, height] = [120, 160];
    const pixels = Buffer.alloc(width * height, 238);
    for (let y = 0; y < height; y += 1)
      for (let x = 0; x < width; x += 1) {
        const radius = Math.hypot((x - 60) / 32, (y - 80) / 52);
        if (Math.abs(radius - 1) < 0.18) pixels[y * width + x] = 40;
      }
    const image = sharp(pixels, { raw: { width, height, channels: 1 } });
    return (await image.toFormat(format).toBuffer()).toString('base64');
  };

  const digits = `query ($inputs: [DigitsInput!]!, $onInvalid: OnInvalid! = FAIL) {
    predictDigits(inputs: $inputs, onInvalid: $onInvalid) { predictionId digit source warnings { field code } }
  }`;

  it('reads a digit from a PNG and a JPEG, in a typed field and in predict', async () => {
    const { data, errors } = await gateway.execute<AnyData>('user', digits, {
      inputs: [{ image: await zero() }, { image: `data:image/jpeg;base64,${await zero('jpeg')}` }],
    });
    expect(errors).toEqual([]);
    expect(data.predictDigits.map(({ digit }: AnyData) => digit)).toEqual([0, 0]);
    const plain = await gateway.execute<AnyData>(
      'user',
      'query ($inputs: [JSONObject!]!) { predict(model: "digits", inputs: $inputs) { input output source } }',
      { inputs: [{ image: await zero() }] },
    );
    const [prediction] = plain.data.predict;
    expect([prediction.output.digit, prediction.source]).toEqual([0, 'CACHE']);
    expect(prediction.input).toEqual({ image: expect.stringMatching(/^image\/png; 120x160; \d+ bytes; sha256:/) });
  });

  it('records a description of the image, and knows no warnings of it later', async () => {
    const sent = await gateway.execute<AnyData>('user', digits, { inputs: [{ image: await zero() }] });
    const [{ predictionId, warnings }] = sent.data.predictDigits;
    expect(Array.isArray(warnings)).toBe(true);
    const recorded = await gateway.execute<AnyData>(
      'user',
      'query ($id: ID!) { prediction(id: $id) { input warnings { code } } }',
      { id: predictionId },
    );
    expect(JSON.stringify(recorded.data.prediction.input).length).toBeLessThan(200);
    expect(recorded.data.prediction.warnings).toBeNull();
  });

  it('has one error for each bad image, by its row, and predicts the others', async () => {
    const inputs = [{ image: 'AAAA' }, { image: await zero() }, {}];
    const failed = await gateway.execute<AnyData>('user', digits, { inputs });
    expect(codesOf(failed)).toEqual(['BAD_USER_INPUT']);
    const { data, errors } = await gateway.execute<AnyData>('user', digits, { inputs, onInvalid: 'NULL' });
    expect(data.predictDigits.map((one: AnyData) => one?.digit ?? null)).toEqual([null, 0, null]);
    expect(errors.map(({ message }) => message)).toEqual([
      expect.stringContaining('image must be a JPEG or PNG file'),
      expect.stringContaining('image is required, unless pixels is given'),
    ]);
    const mistyped = await gateway.execute<AnyData>('user', '{ predictDigits(inputs: [{ image: 7 }]) { digit } }');
    expect(mistyped.errors[0]?.message).toContain('Base64 must be a string');
  });

  it('rejects an anonymous caller before anything is decoded, and records nothing', async () => {
    const count = async () =>
      (await gateway.execute<AnyData>('user', '{ predictions(first: 1) { totalCount } }')).data.predictions
        .totalCount as number;
    const before = await count();
    const anonymous = await gateway.execute(null, digits, { inputs: [{ image: await zero() }] });
    expect(codesOf(anonymous)).toEqual(['UNAUTHENTICATED']);
    expect(await count()).toBe(before);
  });

  it('finds spam in texts', async () => {
    const { data, errors } = await gateway.execute<AnyData>(
      'user',
      `query ($inputs: [SmsSpamInput!]!) {
        predictSmsSpam(inputs: $inputs) { label probabilities { label probability } warnings { field code } }
      }`,
      {
        inputs: [
          { message: 'FREE entry! Text WIN to 80086 now to claim your £1000 prize' },
          { message: 'are you coming home for dinner?' },
          { message: 'x'.repeat(900) },
        ],
      },
    );
    expect(errors).toEqual([]);
    expect(data.predictSmsSpam.map(({ label }: AnyData) => label)).toEqual(['spam', 'ham', 'ham']);
    expect(data.predictSmsSpam.map(({ warnings }: AnyData) => warnings)).toEqual([
      [],
      [],
      [{ field: 'message', code: 'OUT_OF_TRAINING_RANGE' }],
    ]);
  });
});

describe('salary-benchmark', () => {
  const predict = `query ($inputs: [SalaryBenchmarkInput!]!) {
    predictSalaryBenchmark(inputs: $inputs) { salary warnings { field code } }
  }`;
  const estimates = async (inputs: object[]): Promise<AnyData[]> => {
    const { data, errors } = await gateway.execute<AnyData>('user', predict, { inputs });
    expect(errors).toEqual([]);
    return data.predictSalaryBenchmark as AnyData[];
  };

  it('gives an unknown department the estimate of none, with a warning', async () => {
    const clerk = { age: 40, jobLevel: 2, yearsAtCompany: 8 };
    const inputs = [clerk, { ...clerk, department: 'Engineering' }, { ...clerk, department: 'Sales' }];
    const [none, unknown, sales] = await estimates(inputs);
    expect(unknown).toEqual({
      salary: none?.salary,
      warnings: [{ field: 'department', code: 'UNKNOWN_CATEGORY' }],
    });
    expect(none?.warnings).toEqual([]);
    expect(sales?.salary).not.toBe(none?.salary);
  });

  it('takes every employee that the schema takes, from the youngest to one hired next year', async () => {
    const [, future, entry, old] = await estimates([
      { age: 16, jobLevel: 1, yearsAtCompany: -1, department: 'R' },
      { age: 30, jobLevel: 1, yearsAtCompany: -1 },
      { age: 30, jobLevel: 1, yearsAtCompany: 0 },
      { age: 100, jobLevel: 5, yearsAtCompany: 126, department: 'x'.repeat(100) },
    ]);
    expect(future?.salary).toBe(entry?.salary);
    expect(old?.salary).toBeGreaterThan(200_000);
  });

  it('is near the salaries of the demo company, except for a few outliers', async () => {
    const employees = await gateway.db
      .selectFrom('employee')
      .innerJoin('department', 'department.id', 'employee.department_id')
      .select(['age', 'job_level', 'hired_on', 'salary', 'department.name as department'])
      .where('email', 'like', '%@example.com')
      .execute();
    // The day for which the demo company is generated.
    const yearsAtCompany = (hiredOn: string) =>
      Math.floor((Date.UTC(2026, 0, 1) - Date.parse(hiredOn)) / 31_557_600_000);
    const expected = await estimates(
      employees.map(({ age, job_level, hired_on, department }) => ({
        age,
        jobLevel: job_level,
        yearsAtCompany: yearsAtCompany(hired_on),
        department,
      })),
    );
    const gaps = employees.map(({ salary }, index) => salary / Number(expected[index]?.salary) - 1);
    const farther = (share: number) => gaps.filter((gap) => Math.abs(gap) > share).length / gaps.length;
    const sum = gaps.reduce((total, gap) => total + gap, 0);
    expect(Math.abs(sum / gaps.length)).toBeLessThan(0.05);
    expect(farther(0.1)).toBeLessThan(0.5);
    expect(farther(0.3)).toBeGreaterThan(0.005);
    expect(farther(0.3)).toBeLessThan(0.04);
  });
});
