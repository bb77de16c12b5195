import type { AuthenticatedViewer } from '../../auth/viewer.js';
import { newId } from '../../database/base.entity.js';
import { maxErrors } from '../../graphql/errors/limit-errors.js';
import type { Context } from '../../graphql/context/context.js';
import { requireViewer } from '../../graphql/permissions/rules.js';
import { BadUserInput } from '../../errors/app-error.js';
import type {
  InvalidRows,
  OnInvalid,
  PredictedRow,
  PredictionSet,
  Predictor,
} from '../../inference/serving/predictor.js';
import { PredictionSource } from './prediction.entity.js';
import { meaningOf } from './prediction.meaning.js';
import type { PredictionQuota } from './prediction.quota.js';
import type { PredictionHistory } from './history/history.js';
import type { PredictionRow } from './prediction.types.js';

/** Rows for a model, with the names of its inputs in either spelling. */
export interface PredictionRequest {
  model: string;
  /** Null for the version that serves the caller. */
  version: number | null;
  rows: readonly Record<string, unknown>[];
  onInvalid: OnInvalid;
}

/** A prediction; for an invalid row its error, or null after as many errors as a response may have. */
export type RowOutcome<Row> = Row | BadUserInput | null;

/** Runs a model and records the results for the caller. @returns one outcome per row, in order */
export type Predict = (request: PredictionRequest, context: Context) => Promise<RowOutcome<PredictionRow>[]>;

/** Creates the one function that runs models for GraphQL, used by `predict` and by typed fields. */
export function createPredict(predictor: Predictor, history: PredictionHistory, quota: PredictionQuota): Predict {
  return async (request, context) => {
    const viewer = requireViewer(context);
    await quota.charge(viewer.userId, request.rows.length);
    // The caller's next read of predictions must see these, so it goes to the primary.
    const isPinned = context.pinToPrimary(viewer.userId);
    // Before anything is computed: what was computed is always recorded.
    const { share, redactsInput } = predictor.model(request.model)?.history ?? { share: 1, redactsInput: false };
    const expected = { model: request.model, rows: Math.ceil(request.rows.length * share), redactsInput };
    using room = await history.reserve({ ...expected, signal: context.signal });
    const call = {
      ...request,
      caller: viewer.userId,
      header: (name: string) => context.header(name),
      signal: context.signal,
    };
    const predicted = await predictor.predict(call);
    const rows = toRows(predicted, viewer);
    const recorded = share === 1 ? rows : rows.filter(() => Math.random() < share);
    await Promise.all([room.record(recorded), isPinned]);
    return inOrder(rows, predicted.invalid);
  };
}

/** Puts predictions and errors into the order of the call. The last error that is reported counts the others. */
function inOrder(rows: readonly PredictionRow[], invalid: InvalidRows): RowOutcome<PredictionRow>[] {
  const outcomes: RowOutcome<PredictionRow>[] = [];
  const unreported = invalid.size - maxErrors;
  let reported = 0;
  let predicted = 0;
  for (let index = 0; index < rows.length + invalid.size; index += 1) {
    const error = invalid.get(index);
    if (!error) {
      outcomes.push(rows[predicted] ?? null);
      predicted += 1;
      continue;
    }
    reported += 1;
    if (reported > maxErrors) outcomes.push(null);
    else if (reported === maxErrors && unreported > 0)
      outcomes.push(
        BadUserInput.ofFields(error.fields, `${unreported} more rows are invalid and null, without errors.`),
      );
    else outcomes.push(error);
  }
  return outcomes;
}

function toRows({ model, version, rows }: PredictionSet, viewer: AuthenticatedViewer): PredictionRow[] {
  const call: PredictionCall = {
    ...meaningOf(version),
    userId: viewer.userId,
    model: model.name,
    version: version.version,
    digest: version.digest,
    createdAt: new Date(),
  };
  return rows.map((row) => new NewPrediction(call, row));
}

/** What the predictions of a call have in common. */
type PredictionCall = Pick<
  PredictionRow,
  'userId' | 'model' | 'version' | 'digest' | 'units' | 'signatureDigest' | 'createdAt'
>;

/** A prediction that has just been made. What its call has is not copied into each: a call may have 1,000. */
class NewPrediction implements PredictionRow {
  readonly id = newId();
  warnings: PredictedRow['warnings'];

  constructor(
    private readonly call: PredictionCall,
    private readonly row: PredictedRow,
  ) {
    this.warnings = row.warnings;
  }

  get userId(): string | null {
    return this.call.userId;
  }

  get model(): string {
    return this.call.model;
  }

  get version(): number {
    return this.call.version;
  }

  get digest(): string {
    return this.call.digest;
  }

  get units(): PredictionRow['units'] {
    return this.call.units;
  }

  get signatureDigest(): string | null {
    return this.call.signatureDigest;
  }

  get createdAt(): Date {
    return this.call.createdAt;
  }

  get input(): PredictionRow['input'] {
    return this.row.input;
  }

  get output(): PredictionRow['output'] {
    return this.row.output;
  }

  get source(): PredictionSource {
    return PredictionSource[this.row.source];
  }

  get ageSeconds(): number {
    return this.row.ageSeconds;
  }

  get durationMs(): number {
    return this.row.durationMs;
  }
}
