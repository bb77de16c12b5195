import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { buildSchema, parse, validate } from 'graphql';
import {
  combinedExamples,
  generalExamples,
  modelExamples,
  subscriptionExamples,
  type ExampleModel,
} from '../../../ide/examples.js';
import { plausibleNumber, type ModelInput } from '../../../ide/plausible.js';

const schema = buildSchema(`
  type Query {
    me: Person
    employees(first: Int): EmployeeConnection!
    predictCarPrice(inputs: [CarPriceInput!]!): [CarPricePrediction!]!
    predictPhoto(inputs: [PhotoInput!]!): [PhotoPrediction!]!
    predictFree(inputs: [FreeInput!]!): [PhotoPrediction!]!
  }
  type Subscription {
    employeeChanged(since: Int): EmployeeChange!
    taskChanged(id: ID!): EmployeeChange!
  }
  type EmployeeChange { kind: String! secret: Int employee: Person! }
  type Person { email: String! role: String! salary: Int friends(first: Int): [Person!]! boss: Person employee: Employee }
  type EmployeeConnection { nodes: [Employee!]! }
  type Employee { name: String! jobTitle: String! hiredOn: String! department: Department! }
  type Department { name: String! }
  interface PredictionResult { version: Int! source: String! model: Person! }
  type CarPricePrediction implements PredictionResult { version: Int! source: String! model: Person! sellingPrice: Float! probabilities: [ClassProbability!]! }
  type ClassProbability { label: String! probability: Float! }
  type PhotoPrediction implements PredictionResult { version: Int! source: String! model: Person! label: String! }
  input CarPriceInput { year: Int! kmDriven: Int km_driven: Int fuel: CarPriceFuel! owner: String sunRoof: Boolean sun_roof: Boolean }
  enum CarPriceFuel { CNG Diesel LPG Petrol }
  input PhotoInput { pixels: [[Float!]!]! }
  input FreeInput { text: String note: String }
`);

const input = (name: string, parts: Partial<ModelInput> = {}): ModelInput => ({
  name,
  type: 'float',
  required: false,
  shape: [null, 1],
  minimum: null,
  maximum: null,
  values: null,
  ...parts,
});

const car: ExampleModel = {
  name: 'car-price',
  title: 'Price of a car',
  current: {
    exampleInput: null,
    inputs: [
      input('year', { type: 'integer', minimum: 1980, maximum: 2030 }),
      input('km_driven', { type: 'integer', required: true, minimum: 0, maximum: 3_000_000 }),
      input('fuel', { type: 'string', values: ['CNG', 'Diesel', 'LPG', 'Petrol'] }),
      input('owner', { type: 'string', values: ['First', 'Second & above', 'Third'] }),
      input('sun_roof', { type: 'boolean' }),
    ],
  },
};
const photo = (size: number): ExampleModel => ({
  name: 'photo',
  title: 'Photo',
  current: { exampleInput: null, inputs: [input('pixels', { shape: [null, size, size], minimum: 0, maximum: 16 })] },
});

describe('the example of a model', () => {
  it('selects every output, sends required inputs, and lists optional inputs as comments', () => {
    expect(modelExamples(schema, [car])).toEqual([
      {
        title: 'Price of a car',
        variables: '',
        query: `query CarPrice {
  predictCarPrice(
    inputs: [
      {
        year: 2005
        kmDriven: 100000
        fuel: Diesel
        # Optional:
        # owner: "Second & above"
        # sunRoof: true
      }
    ]
  ) {
    sellingPrice
    probabilities {
      label
      probability
    }
    version
    source
  }
}
`,
      },
    ]);
  });

  it('sends the example row of the model, and plausible values only where that has none', () => {
    const exampleInput = { year: 2014, km_driven: 90_000, fuel: 'Coal', owner: 'Third', sun_roof: null };
    const [example] = modelExamples(schema, [{ ...car, current: { ...car.current, exampleInput } }]);
    expect(example?.query).toContain(`      {
        year: 2014
        kmDriven: 90000
        fuel: Diesel
        owner: "Third"
        # Optional:
        # sunRoof: true
      }
`);
  });

  it('is shown beside an employee with the required inputs of the first model with a short row', () => {
    const exampleInput = { year: 2014, km_driven: 90_000, fuel: 'Petrol', owner: 'Third' };
    const models = [photo(20), { ...car, current: { ...car.current, exampleInput } }];
    expect(combinedExamples(schema, models)).toEqual([
      {
        title: 'An employee and a prediction',
        variables: '',
        query: `query EmployeeAndPrediction {
  employees(first: 1) {
    nodes {
      name
      jobTitle
      hiredOn
      department {
        name
      }
    }
  }
  predictCarPrice(
    inputs: [
      {
        year: 2014
        kmDriven: 90000
        fuel: Petrol
      }
    ]
  ) {
    sellingPrice
    probabilities {
      label
      probability
    }
    version
    source
  }
}
`,
      },
    ]);
    expect(combinedExamples(schema, [photo(20)])).toEqual([]);
    expect(combinedExamples(schema, [])).toEqual([]);
  });

  it('draws a shape for an image input, one row per line', () => {
    const [example] = modelExamples(schema, [photo(4)]);
    expect(example?.query).toContain('pixels: [\n          [0, 16, 16, 0]\n');
    expect(validate(schema, parse(example?.query ?? ''))).toEqual([]);
  });

  it('passes a large row as a variable', () => {
    const [example] = modelExamples(schema, [photo(20)]);
    expect(example?.query).toContain('query Photo($inputs: [PhotoInput!]!)');
    expect(validate(schema, parse(example?.query ?? ''))).toEqual([]);
    const { inputs } = JSON.parse(example?.variables ?? '') as { inputs: { pixels: number[][] }[] };
    expect(inputs[0]?.pixels.map((row) => row.length)).toEqual(Array.from({ length: 20 }, () => 20));
  });

  it('is omitted for rows with too many values', () => {
    expect(modelExamples(schema, [photo(1000)])).toEqual([]);
  });

  it('is omitted if the schema has no field for the model', () => {
    expect(modelExamples(schema, [{ ...car, name: 'house-price' }])).toEqual([]);
  });

  it('sends optional inputs if no input is required', () => {
    const [example] = modelExamples(schema, [
      { name: 'free', title: 'Free', current: { exampleInput: null, inputs: [] } },
    ]);
    expect(example?.query).toContain('text: "some text"');
    expect(validate(schema, parse(example?.query ?? ''))).toEqual([]);
  });
});

describe('a plausible number', () => {
  it.each([
    [1980, 2030, true, 2005],
    [0, 3_000_000, true, 100_000],
    [0, 16, false, 8],
    [10, 1000, false, 100],
    [-10, 30, false, 10],
    [5, null, true, 9],
    [null, -4, true, -4],
    [null, null, false, 5],
  ])('between %s and %s (whole: %s) is %s', (minimum, maximum, isWhole, expected) => {
    expect(plausibleNumber(minimum, maximum, isWhole)).toBe(expected);
  });

  it('is within its limits', () => {
    fc.assert(
      fc.property(
        fc.option(fc.double({ min: -1e9, max: 1e9, noNaN: true })),
        fc.option(fc.double({ min: -1e9, max: 1e9, noNaN: true })),
        (one, other) => {
          const [minimum, maximum] = one !== null && other !== null && one > other ? [other, one] : [one, other];
          const number = plausibleNumber(minimum, maximum, false);
          expect(number).toBeGreaterThanOrEqual(minimum ?? -Infinity);
          expect(number).toBeLessThanOrEqual(maximum ?? Infinity);
        },
      ),
    );
  });

  it('is a whole number within its limits if required', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e6, max: 1e6 }), fc.nat(1e6), (minimum, width) => {
        const number = plausibleNumber(minimum, minimum + width, true);
        expect(Number.isInteger(number)).toBe(true);
        expect(number).toBeGreaterThanOrEqual(minimum);
        expect(number).toBeLessThanOrEqual(minimum + width);
      }),
    );
  });
});

describe('general examples and subscriptions', () => {
  it('are limited to operations that are valid in the schema', () => {
    expect(generalExamples(schema).map(({ title }) => title)).toEqual(['Current user']);
  });

  it('open each subscription without required arguments, and select no nullable fields', () => {
    const examples = subscriptionExamples(schema);
    expect(examples).toEqual([
      {
        title: 'Employee changed',
        variables: '',
        query:
          'subscription EmployeeChanged {\n  employeeChanged {\n    kind\n    employee {\n      email\n      role\n    }\n  }\n}\n',
      },
    ]);
    expect(validate(schema, parse(examples[0]?.query ?? ''))).toEqual([]);
  });
});
