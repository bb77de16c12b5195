import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bytesField, elementTypes, initializer, intField, modelOf, node, text, valueInfo } from './onnx-proto.js';

/** What the model `pay` computes of an employee: the base by version, plus an amount of the department. */
export interface PayInputs {
  jobLevel: number;
  age: number;
  years: number;
  department: string;
}

/** The pay per job level of a version. */
const perLevel = (version: number): number => 20_000 + 1_000 * version;

/** The same in JavaScript. */
export const expectedPay = (version: number, { jobLevel, age, years, department }: PayInputs): number =>
  perLevel(version) * jobLevel + 100 * age + 500 * years + (department === 'Sales' ? 3_000 : 0);

/** The binding of `Employee.expectedSalary`. */
export const payBinding = {
  type: 'Employee',
  field: 'expectedSalary',
  description: 'Yearly pay that the model expects.',
  output: 'pay',
  target: 'salary',
  inputs: { level: 'jobLevel', age: 'age', years: { yearsSince: 'hiredOn' }, department: 'department.name' },
};

const manifest = {
  title: 'Pay',
  inputs: {
    level: { integer: true, minimum: 1, maximum: 5 },
    age: { unit: 'year' },
    years: { unit: 'year' },
    department: {},
  },
  outputs: { pay: { unit: 'USD' } },
};

/** A model store with `pay`, which computes `expectedPay`. */
export interface PayStore {
  dir: string;
  /** Writes the manifest of a model, by default of `pay` with its binding. */
  write(parts?: Record<string, unknown>, model?: string): Promise<void>;
  /** Adds a version. */
  addVersion(version: number, model?: string): Promise<void>;
  remove(): Promise<void>;
}

export async function makePayStore(
  versions: readonly number[] = [1],
  parts: Record<string, unknown> = {},
): Promise<PayStore> {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-pay-'));
  const store: PayStore = {
    dir,
    async write(more = {}, model = 'pay') {
      await mkdir(path.join(dir, model), { recursive: true });
      const whole = { ...manifest, bind: [payBinding], ...more };
      await writeFile(path.join(dir, model, 'model.json'), JSON.stringify(whole));
    },
    async addVersion(version, model = 'pay') {
      const folder = path.join(dir, model, String(version));
      await mkdir(folder, { recursive: true });
      await writeFile(path.join(folder, 'model.onnx'), payModel(perLevel(version)));
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
  for (const version of versions) await store.addVersion(version);
  await store.write(parts);
  return store;
}

const strings = (name: string, values: string[]): number[] => [
  ...bytesField(1, text(name)),
  ...values.flatMap((value) => bytesField(9, text(value))),
  ...intField(20, 8),
];

const float = (value: number): number[] => [...Buffer.from(Float32Array.of(value).buffer)];

const floats = (name: string, values: number[]): number[] => [
  ...bytesField(1, text(name)),
  ...values.flatMap((value) => [(7 << 3) | 5, ...float(value)]),
  ...intField(20, 6),
];

const defaultFloat = (value: number): number[] => [
  ...bytesField(1, text('default_float')),
  (2 << 3) | 5,
  ...float(value),
  ...intField(20, 1),
];

function payModel(levelFactor: number): Uint8Array {
  const factor = (name: string, value: number) => initializer(name, elementTypes.float, [1], [value]);
  const encoder = bytesField(1, [
    ...node(
      'LabelEncoder',
      ['department'],
      'extra',
      strings('keys_strings', ['Sales']),
      floats('values_floats', [3_000]),
      defaultFloat(0),
    ),
    ...bytesField(7, text('ai.onnx.ml')),
  ]);
  const column = (name: string, type: number = elementTypes.float) => bytesField(11, valueInfo(name, type, ['N', 1]));
  return modelOf([
    ...encoder,
    ...bytesField(1, node('Mul', ['level', 'perLevel'], 'a')),
    ...bytesField(1, node('Mul', ['age', 'perYearOfAge'], 'b')),
    ...bytesField(1, node('Mul', ['years', 'perYear'], 'c')),
    ...bytesField(1, node('Sum', ['a', 'b', 'c', 'extra'], 'pay')),
    ...bytesField(2, text('pay')),
    ...factor('perLevel', levelFactor),
    ...factor('perYearOfAge', 100),
    ...factor('perYear', 500),
    ...column('level'),
    ...column('age'),
    ...column('years'),
    ...column('department', elementTypes.string),
    ...bytesField(12, valueInfo('pay', elementTypes.float, ['N', 1])),
  ]);
}
