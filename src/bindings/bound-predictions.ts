import DataLoader from 'dataloader';
import { AppError, BadUserInput, PredictionUnavailable, ServiceUnavailable } from '../errors/app-error.js';
import type { Context } from '../graphql/context/context.js';
import { rowCost } from '../graphql/server/operation-size.js';
import type { PredictionSet, Predictor } from '../inference/serving/predictor.js';
import { RecentPredictions, type RowPrediction } from './recent-predictions.js';

/** A row of inputs, by the names in the manifest. */
type Row = Record<string, unknown>;

/** Limits the rows that models compute for a user. */
export interface ComputedRowQuota {
  /** @throws TooManyAttempts if nothing is left */
  assertLeft(userId: string): void;
  /** Charges rows that were computed; rows from the cache are free. */
  chargeComputed(userId: string, rows: number): void;
}

export const unlimited: ComputedRowQuota = { assertLeft: () => {}, chargeComputed: () => {} };

/** Rows of one call. */
const maxRows = 1000;

/** What predictions of fields use of the predictor. */
export type FieldPredictor = Pick<Predictor, 'model' | 'predict' | 'rowMs' | 'freshMs' | 'countCacheHits' | 'onChange'>;

/** A row to predict, and what identifies its prediction. */
interface KeyedRow {
  key: string;
  row: Row;
}

/**
 * Predicts for fields of objects. All rows that an operation needs of a model at once are one call, and the model batches the calls of
 * concurrent operations. The current version runs for all viewers: a canary serves calls of viewers, and an object has one value.
 */
export class BoundPredictions {
  readonly #recent = new RecentPredictions();
  readonly #loaders = new WeakMap<Context, Map<string, DataLoader<KeyedRow, RowPrediction>>>();

  constructor(
    private readonly predictor: FieldPredictor,
    private readonly quota: ComputedRowQuota,
  ) {
    predictor.onChange(() => this.#recent.clear());
  }

  /**
   * Predicts a row of values.
   * @param inputs the names of the values
   * @returns a promise unless the prediction is known here
   * @throws PredictionUnavailable if the model fails, is late or rejects the row
   */
  predict(
    model: string,
    inputs: readonly string[],
    values: readonly unknown[],
    context: Context,
  ): RowPrediction | Promise<RowPrediction> {
    const digest = this.predictor.model(model)?.current.digest ?? '';
    const key = `${model} ${digest} ${JSON.stringify([inputs, values])}`;
    const known = this.#recent.find(key, this.predictor.freshMs(model));
    if (!known) return this.#loaderOf(model, context).load({ key, row: rowOf(inputs, values) });
    this.predictor.countCacheHits(model, 1);
    context.cost.refunded += this.#costOfRows(model, 1);
    return known;
  }

  #loaderOf(model: string, context: Context): DataLoader<KeyedRow, RowPrediction> {
    const loaders = this.#loaders.get(context) ?? new Map<string, DataLoader<KeyedRow, RowPrediction>>();
    this.#loaders.set(context, loaders);
    let loader = loaders.get(model);
    if (!loader) {
      const load = async (keyed: readonly KeyedRow[]): Promise<(RowPrediction | Error)[]> => {
        const rows = keyed.map(({ row }) => row);
        const outcomes = await this.#predictRows(model, rows, context);
        const isCached = this.predictor.freshMs(model) > 0;
        outcomes.forEach((outcome, index) => {
          const key = keyed[index]?.key;
          if (isCached && key !== undefined && !(outcome instanceof Error)) this.#recent.store(key, outcome);
        });
        return outcomes;
      };
      // Equal rows are one in the model's cache and in its batch.
      loader = new DataLoader<KeyedRow, RowPrediction>(load, { cache: false, maxBatchSize: maxRows });
      loaders.set(model, loader);
    }
    return loader;
  }

  async #predictRows(model: string, rows: readonly Row[], context: Context): Promise<(RowPrediction | Error)[]> {
    try {
      return await this.#call(model, rows, context);
    } catch (error) {
      context.signal.throwIfAborted();
      if (rows.length === 1 || !(error instanceof ServiceUnavailable)) return rows.map(() => unavailable(model, error));
      // The model fails on one of them: the others have results, which are cached.
      const each = await Promise.all(rows.map((row) => this.#predictRows(model, [row], context)));
      return each.flat();
    }
  }

  async #call(
    model: string,
    rows: readonly Row[],
    { viewer, signal, cost }: Context,
  ): Promise<(RowPrediction | Error)[]> {
    const caller = viewer.kind === 'anonymous' ? '' : viewer.userId;
    this.quota.assertLeft(caller);
    const predicted = await this.predictor.predict({
      model,
      version: this.predictor.model(model)?.current.version ?? null,
      rows,
      onInvalid: 'NULL',
      caller,
      signal,
    });
    let computed = 0;
    for (const { source } of predicted.rows) if (source === 'MODEL') computed += 1;
    this.quota.chargeComputed(caller, computed);
    cost.refunded += this.#costOfRows(model, rows.length - computed);
    return inOrder(predicted, (error) => unavailable(model, error));
  }

  #costOfRows(model: string, rows: number): number {
    return rows * rowCost(this.predictor, model);
  }
}

const rowOf = (inputs: readonly string[], values: readonly unknown[]): Row =>
  Object.fromEntries(inputs.map((name, index) => [name, values[index]]));

/** The outcomes of a call in the order of its rows. */
function inOrder(
  { version, rows, invalid }: PredictionSet,
  errorOf: (error: BadUserInput) => Error,
): (RowPrediction | Error)[] {
  const outcomes: (RowPrediction | Error)[] = [];
  const now = Date.now();
  let predicted = 0;
  for (let index = 0; index < rows.length + invalid.size; index += 1) {
    const error = invalid.get(index);
    if (error) outcomes.push(errorOf(error));
    const row = error ? undefined : rows[predicted++];
    if (!row) continue;
    const { output, source, warnings, ageSeconds } = row;
    outcomes.push({
      output,
      version: version.version,
      source,
      computedAtMs: now - ageSeconds * 1000,
      warnings,
    });
  }
  return outcomes;
}

/** One error, whatever happened to the model: the object and its other fields are there. */
function unavailable(model: string, error: unknown): Error {
  if (!(error instanceof AppError)) return error instanceof Error ? error : new Error(String(error));
  // The number of a row says something about the batch, and nothing about the object.
  const fields = error instanceof BadUserInput ? error.fields.map(({ field, message }) => ({ field, message })) : [];
  return new PredictionUnavailable(model, fields.length > 0 ? BadUserInput.ofFields(fields) : error);
}
