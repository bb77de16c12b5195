import { AppError, ServiceUnavailable, TimedOut } from '../../errors/app-error.js';
import type { Logger } from '../../telemetry/logger.js';
import { countError, countResults, type CallOutcome } from './call-outcome.js';
import { RowFailedBefore } from './failed-rows.js';
import type { PredictCall, Predicted } from './predict-call.js';
import { prepareRows, toPredictedRows, type PreparedRow } from './prediction-rows.js';
import { PendingPredictionFailed, type Outcome } from './request-coalescing.js';
import type { CallOptions, VersionRuntime } from './version-runtime.js';

/** How a version runs a call. */
export interface RunOptions {
  /** When the call started, by `performance.now()`. */
  startedAt: number;
  /** When it was admitted. The time before that says nothing about the version. */
  admittedAt: number;
  deadlineMs: number;
  /** Called with what the call says about the version, unless its rows are invalid or the caller cancelled it. */
  judge: (outcome: CallOutcome) => void;
  logger: Logger;
}

/**
 * Runs a call on a version: validates its rows, and predicts each distinct one once.
 * @throws see `Predictor.predict`
 */
export function runOnVersion(
  version: VersionRuntime,
  { rows: sent, signal, caller, onInvalid = 'FAIL' }: PredictCall,
  run: RunOptions,
): Promise<Predicted> {
  return version.using(async () => {
    const check = (): void => {
      signal?.throwIfAborted();
      const afterMs = performance.now() - run.admittedAt;
      if (afterMs > run.deadlineMs) throw new TimedOut('Preparing the inputs took too long; send fewer rows.', afterMs);
    };
    const { prepared, invalid } = await prepareRows(version, sent, onInvalid, check);
    const outcomes = await outcomesOf(version, prepared, { ...run, signal, caller });
    const predicted = await toPredictedRows(prepared, outcomes, { startedAt: run.startedAt, onInvalid });
    return { rows: predicted.rows, invalid: new Map([...invalid, ...predicted.invalid]) };
  });
}

async function outcomesOf(
  version: VersionRuntime,
  prepared: readonly PreparedRow[],
  options: CallOptions & RunOptions,
): Promise<Outcome[]> {
  const { admittedAt, judge } = options;
  const { deadlineMs } = version.serving;
  const durationMs = (): number => performance.now() - admittedAt;
  try {
    const outcomes = await version.predict(prepared, options);
    judge(countResults(version.counters, outcomes, { durationMs: durationMs(), deadlineMs }));
    return outcomes;
  } catch (error) {
    if (!options.signal?.aborted) judge(countError(version.counters, error, durationMs()));
    if (!(error instanceof PendingPredictionFailed)) throw error;
    if (error.cause instanceof AppError) throw error.cause;
    const {
      model,
      version: { version: number },
    } = version;
    const row = prepared.find(({ key }) => key === error.pending.key)?.index;
    // A row that is known to fail is not logged again.
    const level = error.cause instanceof RowFailedBefore ? 'debug' : 'warn';
    options.logger[level]({ err: error.cause, model, modelVersion: number, row }, 'model run failed');
    throw new ServiceUnavailable(
      `The model ${model}, version ${number}, failed on row ${row}. Try again; if it persists, report it to the owner of the model.`,
    );
  }
}
