import DataLoader from 'dataloader';
import { AppError, PredictionUnavailable, ServiceUnavailable, type BadUserInput } from '../errors/app-error.js';
import type { Context } from '../graphql/context/context.js';
import { rowCost } from '../graphql/server/operation-size.js';
import type { InputWarning, PredictedRow, PredictionSet, Predictor } from '../inference/serving/predictor.js';

/** A prediction for an object, without the names of its binding. */
export interface RowPrediction {
  /** By the names in the manifest. */
  output: Record<string, unknown>;
  version: number;
  source: PredictedRow['source'];
  /** When the model computed the result, in milliseconds since 1970. */
  computedAtMs: number;
  warnings: readonly InputWarning[] | null;
}

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

/**
 * Predicts for fields of objects. All rows that an operation needs of a model at once are one call, and the model batches the calls of
 * concurrent operations. The current version runs for all viewers: a canary serves calls of viewers, and an object has one value.
 */
export class BoundPredictions {
  readonly #loaders = new WeakMap<Context, Map<string, DataLoader<Row, RowPrediction>>>();

  constructor(
    private readonly predictor: Pick<Predictor, 'model' | 'predict' | 'rowMs'>,
    private readonly quota: ComputedRowQuota,
  ) {}

  /** @throws PredictionUnavailable if the model fails, is late or rejects the row */
  predict(model: string, row: Row, context: Context): Promise<RowPrediction> {
    const loaders = this.#loaders.get(context) ?? new Map<string, DataLoader<Row, RowPrediction>>();
    this.#loaders.set(context, loaders);
    let loader = loaders.get(model);
    if (!loader) {
      const load = (rows: readonly Row[]): Promise<(RowPrediction | Error)[]> =>
        this.#predictRows(model, rows, context);
      // Equal rows are one in the model's cache and in its batch.
      loader = new DataLoader<Row, RowPrediction>(load, { cache: false, maxBatchSize: maxRows });
      loaders.set(model, loader);
    }
    return loader.load(row);
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
    const rowMs = (name: string): number => this.predictor.rowMs(name);
    cost.refunded += (rows.length - computed) * rowCost({ rowMs }, model);
    return inOrder(predicted, (error) => unavailable(model, error));
  }
}

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
  return new PredictionUnavailable(model, error);
}
