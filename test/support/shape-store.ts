import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bytesField, elementTypes, intField, modelOf, node, text, valueInfo } from './onnx-proto.js';

/** A model store with `size`, whose versions return the number `x` as `y`: 1 and 2 as a float, 3 as an integer. */
export interface ShapeStore {
  dir: string;
  /** Rewrites the manifest with this current version, and further entries. */
  makeCurrent(version: number, more?: object): Promise<void>;
  remove(): Promise<void>;
}

export async function makeShapeStore(): Promise<ShapeStore> {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-shapes-'));
  const folder = path.join(dir, 'size');
  for (const [version, output] of [elementTypes.float, elementTypes.float, elementTypes.int64].entries()) {
    await mkdir(path.join(folder, String(version + 1)), { recursive: true });
    await writeFile(path.join(folder, String(version + 1), 'model.onnx'), castingModel(output));
  }
  const makeCurrent = (current: number, more: object = {}) =>
    writeFile(
      path.join(folder, 'model.json'),
      JSON.stringify({ title: 'Size', current, inputs: { x: {} }, outputs: { y: {} }, ...more }),
    );
  await makeCurrent(1);
  return { dir, makeCurrent, remove: () => rm(dir, { recursive: true, force: true }) };
}

function castingModel(output: number): Uint8Array {
  const to = [...bytesField(1, text('to')), ...intField(3, output), ...intField(20, 2)];
  return modelOf([
    ...bytesField(1, node('Cast', ['x'], 'y', to)),
    ...bytesField(2, text('casting')),
    ...bytesField(11, valueInfo('x', elementTypes.float, ['N', 1])),
    ...bytesField(12, valueInfo('y', output, ['N', 1])),
  ]);
}
