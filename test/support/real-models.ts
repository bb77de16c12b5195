import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Tensors } from '../../src/inference/onnx/tensor.js';

/** A model of the model store, with input rows and their known outputs. */
export interface RealModel {
  bytes: Uint8Array;
  /** Feeds of `rowCount` rows, which repeat the golden rows. */
  feeds: (rowCount: number) => Tensors;
  golden: readonly { input: Record<string, unknown>; output: Record<string, unknown> }[];
}

export const iris = realModel('iris', [], ['sepal_length', 'sepal_width', 'petal_length', 'petal_width']);

export const carPrice = realModel(
  'car-price',
  ['company', 'fuel', 'transmission', 'owner', 'seller_type'],
  ['year', 'km_driven', 'mileage_mpg', 'engine_cc', 'max_power_bhp', 'torque_nm', 'seats'],
);

function realModel(name: string, texts: readonly string[], numbers: readonly string[]): RealModel {
  const folder = path.join(import.meta.dirname, '..', '..', 'model-store', name, '1');
  const lines = readFileSync(path.join(folder, 'golden.jsonl'), 'utf8').trim().split('\n');
  const golden = lines.map((line) => JSON.parse(line) as RealModel['golden'][number]);
  const valueOf = (column: string, row: number) => golden[row % golden.length]?.input[column];
  return {
    bytes: readFileSync(path.join(folder, 'model.onnx')),
    golden,
    feeds(rowCount) {
      const rows = Array.from({ length: rowCount }, (_, row) => row);
      const dims = [rowCount, 1];
      const textTensors = texts.map((column) => {
        const data = rows.map((row) => (valueOf(column, row) as string | null | undefined) ?? '');
        return [column, { type: 'string' as const, dims, data }] as const;
      });
      const numberTensors = numbers.map((column) => {
        const data = Float32Array.from(rows, (row) => (valueOf(column, row) as number | null | undefined) ?? NaN);
        return [column, { type: 'float32' as const, dims, data }] as const;
      });
      return Object.fromEntries([...textTensors, ...numberTensors]);
    },
  };
}
