import { openOnnxSession } from '../../../src/inference/onnx/onnx-session.js';
import { runnableGraph } from '../../../src/inference/onnx/runnable-graph.js';
import { bytesField, elementTypes, intField, modelOf, node, text, valueInfo } from '../../support/onnx-proto.js';

const bfloat16 = 16;
const { float } = elementTypes;

/** 1.5, -2 and 2^-7 as bfloat16. */
const weights = [0x3fc0, 0xc000, 0x3c00];
const raw = [...Buffer.from(Uint16Array.from(weights).buffer)];

const tensor = (data: number[]) => [...intField(1, 3), ...intField(2, bfloat16), ...bytesField(8, text('w')), ...data];
const attribute = (name: string, value: number[], type: number) => [
  ...bytesField(1, text(name)),
  ...value,
  ...intField(20, type),
];
const cast = (input: string, output: string, to: number) =>
  bytesField(1, node('Cast', [input], output, attribute('to', intField(3, to), 2)));
const input = (type: number) => bytesField(11, valueInfo('x', type, ['N', 3]));
const output = (type: number) => bytesField(12, valueInfo('y', type, ['N', 3]));
const graph = (...fields: number[][]) => modelOf([...fields.flat(), ...bytesField(2, text('g'))]);

/** Runs a graph on a row. */
async function resultOf(model: Uint8Array, ...x: number[]): Promise<{ type: string; y: number[] }> {
  const session = await openOnnxSession(model);
  const type = session.inputs[0]?.type === 'bfloat16' ? 'bfloat16' : 'float32';
  const { outputs } = await session.run({ x: { type, dims: [1, 3], data: Float32Array.from(x) } });
  await session.close();
  return { type: String(outputs.y?.type), y: Array.from(outputs.y?.data as Float32Array) };
}

describe('a graph of bfloat16', () => {
  it.each([
    ['raw data', tensor(bytesField(9, raw))],
    ['integers', tensor(weights.flatMap((bits) => intField(5, bits)))],
    [
      'packed integers',
      tensor(
        bytesField(
          5,
          weights.flatMap((bits) => intField(0, bits).slice(1)),
        ),
      ),
    ],
  ])('computes in float32, with its weights as %s, and rounds inputs and outputs', async (_, w) => {
    const model = graph(
      bytesField(1, node('Mul', ['x', 'w'], 'y')),
      bytesField(5, w),
      bytesField(13, valueInfo('w', bfloat16, [3])),
      input(bfloat16),
      output(bfloat16),
    );
    // 0.1 is 0.10009765625 and 1.01 is 1.0078125 in bfloat16; 0.150146484375 is rounded to even.
    expect(await resultOf(model, 0.1, 3, 1.01)).toEqual({ type: 'bfloat16', y: [0.150390625, -6, 0.00787353515625] });
  });

  it('rounds to the nearest, to even if there are two, where it casts', async () => {
    const model = graph(
      cast('x', 'rounded', bfloat16),
      bytesField(1, node('Neg', ['rounded'], 'negated')),
      cast('negated', 'y', float),
      input(float),
      output(float),
    );
    const step = 2 ** -7;
    expect(await resultOf(model, 1 + step / 2, 1 + 1.5 * step, 1 + 0.6 * step)).toEqual({
      type: 'float32',
      y: [-1, -1 - 2 * step, -1 - step],
    });
  });

  it('computes in float32 in the branches of a condition', async () => {
    const branch = (operator: string) => [
      ...cast('x', 'b', bfloat16),
      ...bytesField(1, node(operator, ['b', 'w'], 'r')),
      ...bytesField(5, tensor(bytesField(9, raw))),
      ...bytesField(2, text('branch')),
      ...bytesField(12, valueInfo('r', bfloat16, ['N', 3])),
    ];
    const branches = ['then_branch', 'else_branch'].map((name, index) =>
      attribute(name, bytesField(6, branch(index === 0 ? 'Add' : 'Sub')), 5),
    );
    const model = graph(
      bytesField(5, [...intField(2, elementTypes.bool), ...bytesField(8, text('is')), ...bytesField(9, [0])]),
      bytesField(1, [...node('If', ['is'], 'chosen'), ...branches.flatMap((each) => bytesField(5, each))]),
      cast('chosen', 'y', float),
      input(float),
      output(float),
    );
    expect(await resultOf(model, 2, 2, 2)).toEqual({ type: 'float32', y: [0.5, 4, 1.9921875] });
  });

  it('is rejected with the reason of the runtime if widening does not help', async () => {
    const unknown = graph(bytesField(1, node('NoSuch', ['x'], 'y')), input(bfloat16), output(bfloat16));
    await expect(openOnnxSession(unknown)).rejects.toThrow(
      /No Op registered for NoSuch.*export the model with the standard operators/,
    );
  });
});

describe('a graph that normalizes text', () => {
  const textOf = (name: string, value: string) => attribute(name, bytesField(4, text(value)), 3);
  const lowerCase = (...locale: number[][]) =>
    graph(
      bytesField(1, [
        ...node('StringNormalizer', ['x'], 'y', textOf('case_change_action', 'LOWER')),
        ...locale.flatMap((each) => bytesField(5, each)),
      ]),
      bytesField(11, valueInfo('x', elementTypes.string, ['N'])),
      bytesField(12, valueInfo('y', elementTypes.string, ['N'])),
    );

  it.each([
    ['no locale', lowerCase()],
    ['the locale en_US.UTF-8', lowerCase(textOf('locale', 'en_US.UTF-8'))],
  ])('with %s runs where only the locale C.UTF-8 is', async (_name, model) => {
    for (const each of [model, runnableGraph(model)]) {
      const session = await openOnnxSession(each);
      const { outputs } = await session.run({ x: { type: 'string', dims: [3], data: ['GRÖSSE', 'ΑΘΉΝΑ', 'МОСКВА'] } });
      await session.close();
      expect(Array.from(outputs.y?.data as Iterable<string>)).toEqual(['grösse', 'αθήνα', 'москва']);
    }
  });

  it('keeps another locale, whose letters may differ', async () => {
    const model = lowerCase(textOf('locale', 'tr_XX.UTF-8'));
    expect(runnableGraph(model)).toBe(model);
    await expect(openOnnxSession(model)).rejects.toThrow('the locale tr_XX.UTF-8, which this system lacks');
  });
});

describe('a graph without bfloat16', () => {
  it('stays as it is, as do bytes that are no graph', () => {
    const model = graph(cast('x', 'y', float), input(elementTypes.double), output(float));
    expect(runnableGraph(model)).toBe(model);
    const bytes = Uint8Array.of(0xff, 0xff, 0xff);
    expect(runnableGraph(bytes)).toBe(bytes);
  });
});
