import type { Backend, RunResult, LoadedGraph } from '../../../src/inference/onnx/backend.js';
import { openOnnxBackend } from '../../../src/inference/onnx/onnx-backend.js';
import { joinRows, sliceRows } from '../../../src/inference/onnx/tensor-rows.js';
import type { Tensors } from '../../../src/inference/onnx/tensor.js';
import { TimedOut } from '../../../src/errors/app-error.js';
import { loopingModel } from '../../support/looping-model.js';
import { carPrice, iris, type RealModel } from '../../support/real-models.js';

let backend: Backend;

beforeAll(() => {
  backend = openOnnxBackend({ size: 2 });
});

afterAll(async () => {
  await backend.close();
});

function load({ bytes }: Pick<RealModel, 'bytes'>): Promise<LoadedGraph> {
  return backend.load({ label: 'model/1', bytes });
}

function elements(response: RunResult, output: string): (string | number | bigint)[] {
  const { data } = response.outputs[output] ?? { data: [] };
  return Array.from<string | number | bigint>(data);
}

/** Feeds of the looping model: one row with this number of iterations. */
function steps(count: bigint): Tensors {
  return { steps: { type: 'int64', dims: [1, 1], data: BigInt64Array.of(count) } };
}

describe('a loaded graph', () => {
  it('reports its inputs and outputs as plain data', async () => {
    const graph = await load(iris);

    expect(graph.inputs.slice(0, 1)).toEqual([{ name: 'sepal_length', type: 'float32', shape: [null, 1] }]);
    expect(graph.outputs.map(({ name, type }) => [name, type])).toEqual([
      ['species', 'string'],
      ['probabilities', 'float32'],
    ]);
    await graph.close();
  });

  it('returns equal results in one thread, in several, and on the main thread', async () => {
    const graph = await load(carPrice);
    const prices = carPrice.golden.map(({ output }) => output.selling_price as number);
    const count = prices.length;

    const whole = await graph.run(carPrice.feeds(count), count);
    const repeated = await graph.run(carPrice.feeds(count * 12), count * 12);
    const singles = await Promise.all(
      prices.map((_, row) => graph.run(sliceRows(carPrice.feeds(count), count, row, row + 1), 1)),
    );

    for (const [row, price] of elements(whole, 'selling_price').entries())
      expect(Number(price) / (prices[row] ?? 0)).toBeCloseTo(1, 5);
    expect(count * 12).toBeGreaterThan(1000);
    expect(repeated.outputs.selling_price?.dims).toEqual([count * 12, 1]);
    expect(elements(repeated, 'selling_price')).toEqual(
      Array.from({ length: 12 }, () => elements(whole, 'selling_price')).flat(),
    );
    expect(singles.flatMap((single) => elements(single, 'selling_price'))).toEqual(elements(whole, 'selling_price'));
    await graph.close();
  });

  it('keeps texts and vectors in row order across threads', async () => {
    const graph = await load(iris);
    const count = iris.golden.length;
    const rows = Math.ceil(1500 / count) * count;

    const response = await graph.run(iris.feeds(rows), rows);

    const species = iris.golden.map(({ output }) => output.species);
    expect(elements(response, 'species')).toEqual(Array.from({ length: rows / count }, () => species).flat());
    expect(response.outputs.probabilities?.dims).toEqual([rows, 3]);
    expect(response.computeMs).toBeGreaterThan(0);
    await graph.close();
  });

  it('does not modify its input tensors', async () => {
    const graph = await load(carPrice);
    const feeds = carPrice.feeds(700);
    await graph.run(feeds, 700);

    expect(feeds).toEqual(carPrice.feeds(700));
    await graph.close();
  });

  it('reports errors of the runtime, and keeps running', async () => {
    const graph = await load(iris);
    const missing = iris.feeds(1);
    delete missing.sepal_length;
    const mistyped: Tensors = { ...missing, sepal_length: { type: 'string', dims: [1, 1], data: ['five'] } };

    for (const place of ['in a thread', 'on the event loop']) {
      await expect(graph.run(missing, 1)).rejects.toThrow("input 'sepal_length' is missing");
      await expect(graph.run(mistyped, 1)).rejects.toThrow('Unexpected input data type');
      expect([place, elements(await graph.run(iris.feeds(1), 1), 'species')]).toEqual([
        place,
        [iris.golden[0]?.output.species],
      ]);
    }
    await graph.close();
  });

  it('rejects runs after close, and can be closed twice', async () => {
    const graph = await load(iris);
    const other = await load(iris);
    await graph.close();
    await graph.close();

    await expect(graph.run(iris.feeds(1), 1)).rejects.toThrow('The model is closed.');
    expect(elements(await other.run(iris.feeds(1), 1), 'species')).toHaveLength(1);
    await other.close();
  });
});

describe('the memory of graphs', () => {
  it('is one session after a load, none for a version without calls, and grows where the graph runs', async () => {
    const memory = openOnnxBackend({ size: 2 });
    const graph = await memory.load({ label: 'car-price/1', bytes: carPrice.bytes });
    const one = memory.memoryBytes;
    expect(one).toBeGreaterThanOrEqual(carPrice.bytes.length);
    const prices = elements(await graph.run(carPrice.feeds(1), 1), 'selling_price');

    await graph.shrink(1);
    expect(memory.memoryBytes).toBe(one);
    await graph.shrink(0);
    expect(memory.memoryBytes).toBe(0);

    expect(elements(await graph.run(carPrice.feeds(1), 1), 'selling_price')).toEqual(prices);
    expect(memory.memoryBytes).toBe(one);
    await graph.run(carPrice.feeds(1000), 1000);
    expect(memory.memoryBytes).toBeGreaterThan(one);
    await graph.close();
    expect(memory.memoryBytes).toBe(0);
    await memory.close();
  });

  it('stays within the budget, and every graph responds', async () => {
    const memory = openOnnxBackend({ size: 2, memoryBytes: 1 });
    const load = ({ bytes }: typeof iris) => memory.load({ label: 'model/1', bytes });
    const graphs = await Promise.all([load(iris), load(carPrice)]);
    await graphs[0].shrink(1);
    const irisOnly = memory.memoryBytes;

    for (let round = 0; round < 3; round += 1) {
      expect(elements(await graphs[0].run(iris.feeds(1), 1), 'species')).toHaveLength(1);
      expect(elements(await graphs[1].run(carPrice.feeds(900), 900), 'selling_price')).toHaveLength(900);
    }
    await graphs[0].run(iris.feeds(1), 1);
    expect(memory.memoryBytes).toBeLessThanOrEqual(irisOnly);
    await memory.close();
  });
});

describe('the ONNX backend', () => {
  it('rejects bytes that are not a model, and keeps serving', async () => {
    await expect(load({ bytes: Buffer.from('no model') })).rejects.toThrow('protobuf parsing failed');
    const graph = await load(iris);
    expect(elements(await graph.run(iris.feeds(1), 1), 'species')).toHaveLength(1);
    await graph.close();
  });

  it('does not block the event loop while a thread runs many rows', async () => {
    const graph = await load(carPrice);
    await graph.run(carPrice.feeds(1000), 1000);
    let turns = 0;
    let isRunning = true;
    const turn = () => {
      turns += 1;
      if (isRunning) setImmediate(turn);
    };
    setImmediate(turn);
    await Promise.all(Array.from({ length: 4 }, () => graph.run(carPrice.feeds(1000), 1000)));
    isRunning = false;

    // On the event loop, each run would take a turn or two.
    expect(turns).toBeGreaterThan(20);
    await graph.close();
  });

  it('runs small batches on the event loop while threads are busy', async () => {
    const small = await load(iris);
    const looping = await load({ bytes: loopingModel() });
    await small.run(iris.feeds(8), 8);
    expect([small.room(), looping.room()]).toEqual([Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);

    const finished: string[] = [];
    const busy = [1, 2].map(() => looping.run(steps(300_000n), 1).then(() => finished.push('looping')));
    expect([small.room() >= 8, looping.room()]).toEqual([true, 0]);
    await small.run(iris.feeds(8), 8).then(() => finished.push('small'));
    await Promise.all(busy);

    expect(finished).toEqual(['small', 'looping', 'looping']);
    await Promise.all([small.close(), looping.close()]);
  });

  it('aborts a hanging run, and serves others in the meantime', async () => {
    const impatient = openOnnxBackend({ size: 1, hangMs: 500, graceMs: 60_000 });
    const looping = await impatient.load({ label: 'looping/1', bytes: loopingModel() });

    const [hung, next] = await Promise.allSettled([looping.run(steps(5_000_000n), 1), looping.run(steps(1n), 1)]);

    expect((hung as PromiseRejectedResult).reason).toBeInstanceOf(TimedOut);
    expect(elements((next as PromiseFulfilledResult<RunResult>).value, 'done')).toEqual([1n]);
    await impatient.close();
  }, 90_000);

  it('finishes runs in progress when it closes, and rejects loads afterwards', async () => {
    const closing = openOnnxBackend({ size: 1 });
    const graph = await closing.load({ label: 'car-price/1', bytes: carPrice.bytes });
    const [underWay, waiting] = [graph.run(carPrice.feeds(300), 300), graph.run(carPrice.feeds(300), 300)].map((run) =>
      Promise.allSettled([run]),
    );
    await closing.close();

    expect(await underWay).toMatchObject([{ status: 'fulfilled' }]);
    expect(await waiting).toMatchObject([{ status: 'rejected', reason: { message: 'The model runtime is closed.' } }]);
    await expect(closing.load({ label: 'iris/1', bytes: iris.bytes })).rejects.toThrow('The model runtime is closed.');
  });
});

describe('partial results', () => {
  it('cannot be joined if they are not row by row', () => {
    const part = (dims: number[]): Tensors => ({ price: { type: 'float32', dims, data: new Float32Array(2) } });

    expect(joinRows([part([1, 2]), part([1, 2])]).price?.dims).toEqual([2, 2]);
    for (const other of [[2, 1], [2], []])
      expect(() => joinRows([part([1, 2]), part(other)])).toThrow('The output price has another shape');
    expect(() => joinRows([part([]), part([])])).toThrow('The output price has another shape');
  });
});
