import type { GraphValue, RunResult } from './backend.js';
// With its extension on disk, since test threads run the sources.
import { joinRows, sliceRows } from './tensor-rows.ts';
import type { Tensors } from './tensor.js';

/** Runs a graph that was exported for a fixed number of rows, often 1, on any number of rows. */
export class FixedBatch {
  /** The rows of every run of the graph. */
  readonly #rows: number;

  private constructor(rows: number) {
    this.#rows = rows;
  }

  /** Null unless all inputs have the same fixed first dimension. */
  static of(inputs: readonly GraphValue[]): FixedBatch | null {
    const [rows, ...others] = new Set(inputs.map(({ shape }) => shape[0] ?? null));
    return rows === undefined || rows === null || rows < 1 || others.length > 0 ? null : new FixedBatch(rows);
  }

  /** Runs chunk after chunk. The last one is filled up with copies of its last row, whose results are dropped. */
  async run(feeds: Tensors, run: (feeds: Tensors) => Promise<RunResult>): Promise<RunResult> {
    const count = Object.values(feeds)[0]?.dims[0] ?? 0;
    const parts: Tensors[] = [];
    let computeMs = 0;
    for (let start = 0; start < count; start += this.#rows) {
      const end = Math.min(start + this.#rows, count);
      const result = await run(this.#filled(feeds, count, start, end));
      computeMs += result.computeMs;
      parts.push(this.#rowsOf(result.outputs, end - start));
    }
    return { outputs: joinRows(parts), computeMs };
  }

  #filled(feeds: Tensors, count: number, start: number, end: number): Tensors {
    if (start === 0 && count === this.#rows) return feeds;
    const chunk = sliceRows(feeds, count, start, end);
    const missing = this.#rows - (end - start);
    if (missing === 0) return chunk;
    const last = sliceRows(feeds, count, end - 1, end);
    return joinRows([chunk, ...Array.from({ length: missing }, () => last)]);
  }

  /** Outputs of another number of rows stay as they are: their shape is a problem of the graph. */
  #rowsOf(outputs: Tensors, count: number): Tensors {
    if (count === this.#rows) return outputs;
    return Object.fromEntries(
      Object.entries(outputs).flatMap(([name, tensor]) =>
        tensor.dims[0] === this.#rows
          ? Object.entries(sliceRows({ [name]: tensor }, this.#rows, 0, count))
          : [[name, tensor]],
      ),
    );
  }
}
