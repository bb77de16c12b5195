import { setImmediate as nextTurn } from 'node:timers/promises';
import { BadUserInput, type FieldProblem } from '../../errors/app-error.js';
import { bytesOfRow, fixedBytes } from '../signature/row-bytes.js';
import type { EncodedRow } from '../signature/types.js';
import { withManifestNames } from '../signature/spellings.js';
import { encodeRow } from '../signature/encode.js';
import { rowReaderOf } from '../signature/row-reader.js';
import { maxProblems, validateRow } from '../signature/validation.js';
import { encodeInputs } from '../preprocessing/encode-input.js';
import type { InputWarning } from '../reference/input-warnings.js';
import type { Outcome } from './request-coalescing.js';
import type { VersionRuntime } from './version-runtime.js';

/** Rows processed per event loop turn. */
const rowsPerTurn = 100;

/** The prediction of a row. */
export interface PredictedRow {
  /** The row with the names in the manifest and with descriptions in place of images. */
  input: Record<string, unknown>;
  /** The row as sent by the caller, with the names in the manifest. */
  sent: Record<string, unknown>;
  /** What is unusual about the input; null if nothing is known of the training rows. */
  warnings: readonly InputWarning[] | null;
  /** One entry per output of the model. */
  output: Record<string, unknown>;
  /** STALE: an expired cached result, because the model failed or timed out. */
  source: 'MODEL' | 'CACHE' | 'STALE';
  /** Seconds since the model computed the result. */
  ageSeconds: number;
  /** Milliseconds from the start of the call to the result of this row. */
  durationMs: number;
}

/** A valid row with the names in the manifest and as encoded for the model, with its cache key. */
export interface PreparedRow {
  /** Its position in the call. */
  index: number;
  input: Record<string, unknown>;
  sent: Record<string, unknown>;
  row: EncodedRow;
  key: string;
  warnings: readonly InputWarning[] | null;
}

/** Valid rows of a call, one entry per row. */
interface ValidRows {
  /** Positions in the call. */
  indexes: number[];
  sent: Record<string, unknown>[];
  /** Null for a row that is encoded later. */
  encoded: (EncodedRow | null)[];
}

/** What an invalid row does: `FAIL` rejects the call, `NULL` only the row. */
export type OnInvalid = 'FAIL' | 'NULL';

/** Why rows have no prediction, by their position in the call. */
export type InvalidRows = Map<number, BadUserInput>;

/** Maximum problems that are listed for a row that is rejected alone. */
const maxRowProblems = 10;

/**
 * Validates and encodes rows.
 * @param check called before each row that is preprocessed; it throws if nobody waits for the rows any longer
 * @throws BadUserInput naming up to 100 invalid fields, unless `onInvalid` is NULL
 */
export async function prepareRows(
  version: VersionRuntime,
  rows: readonly unknown[],
  onInvalid: OnInvalid,
  check: () => void,
): Promise<{ prepared: PreparedRow[]; invalid: InvalidRows }> {
  const { signature, findWarnings } = version;
  const reader = rowReaderOf(signature);
  /** By column, since an object per row is a good part of the time of a row. */
  const valid: ValidRows = { indexes: [], sent: [], encoded: [] };
  const add = (index: number, sent: Record<string, unknown>, row: EncodedRow | null): void => {
    valid.indexes.push(index);
    valid.sent.push(sent);
    valid.encoded.push(row);
  };
  const invalid: InvalidRows = new Map();
  const problems: FieldProblem[] = [];
  // By index, here and elsewhere on the path of a row: an iterator of entries allocates two objects for each.
  for (let index = 0; index < rows.length; index += 1) {
    const input = rows[index];
    if (index % rowsPerTurn === 0 && index > 0) await nextTurn();
    const row = reader?.read(input) ?? null;
    if (reader && row) {
      add(index, reader.named(input as Record<string, unknown>), row);
      continue;
    }
    const max = onInvalid === 'NULL' ? maxRowProblems : maxProblems - problems.length;
    const found = validateRow(signature, input, max).map((problem) => ({ row: index, ...problem }));
    if (found.length > 0 && onInvalid === 'NULL') invalid.set(index, BadUserInput.ofFields(found));
    problems.push(...found);
    if (onInvalid === 'FAIL' && problems.length >= maxProblems) break;
    if (found.length > 0 || (onInvalid === 'FAIL' && problems.length > 0)) continue;
    add(index, withManifestNames(signature, input as Record<string, unknown>), null);
  }
  if (onInvalid === 'FAIL' && problems.length > 0) throw BadUserInput.ofFields(problems);
  const prepared: PreparedRow[] = [];
  const preprocessed = signature.preprocessor ? await encodeInputs(signature, valid.sent, check) : null;
  const { maxCallBytes } = version.serving;
  const outputBytes = fixedBytes(signature.outputs);
  let bytes = 0;
  for (let position = 0; position < valid.sent.length; position += 1) {
    const sent = valid.sent[position] ?? {};
    if (position % rowsPerTurn === 0 && position > 0) await nextTurn();
    const index = valid.indexes[position] ?? 0;
    const one = preprocessed?.[position];
    if (one?.kind === 'invalid') {
      const problem = { row: index, field: one.field, message: one.message };
      invalid.set(index, BadUserInput.ofFields([problem]));
      problems.push(problem);
      continue;
    }
    const row = one?.row ?? valid.encoded[position] ?? encodeRow(signature, sent);
    bytes += outputBytes + bytesOfRow(row);
    if (bytes > maxCallBytes) throw tooManyBytes(index, maxCallBytes);
    const warnings = findWarnings?.(one?.values ?? sent) ?? null;
    prepared.push({ index, sent, input: one?.input ?? sent, row, key: version.keyOf(row), warnings });
  }
  if (onInvalid === 'FAIL' && problems.length > 0) throw BadUserInput.ofFields(problems.slice(0, maxProblems));
  return { prepared, invalid };
}

/**
 * The predictions of prepared rows with their outcomes, in order. Rows for which the model returned no finite value are invalid.
 * @throws BadUserInput naming up to 100 of them, unless `onInvalid` is NULL
 */
export async function toPredictedRows(
  prepared: readonly PreparedRow[],
  outcomes: readonly Outcome[],
  { startedAt, onInvalid }: { startedAt: number; onInvalid: OnInvalid },
): Promise<{ rows: PredictedRow[]; invalid: InvalidRows }> {
  const predicted: PredictedRow[] = [];
  const invalid: InvalidRows = new Map();
  const now = Date.now();
  let position = 0;
  for (const { index, input, sent, warnings } of prepared) {
    if (position % rowsPerTurn === 0 && position > 0) await nextTurn();
    const outcome = outcomes[position++];
    if (!outcome) throw new Error(`row ${index} has no outcome`);
    const { result, source, received } = outcome;
    if (result.kind === 'not-finite') {
      invalid.set(index, BadUserInput.ofFields([{ row: index, field: result.field, message: notFinite }]));
      continue;
    }
    predicted.push({
      input,
      sent,
      warnings,
      output: result.output,
      source,
      ageSeconds: source === 'MODEL' ? 0 : Math.max(0, now - received.computedAt) / 1000,
      durationMs: Math.max(0, received.knownAt - startedAt),
    });
  }
  if (onInvalid === 'FAIL' && invalid.size > 0) {
    const fields = [...invalid.values()].flatMap((error) => error.fields);
    throw BadUserInput.ofFields(fields.slice(0, maxProblems));
  }
  return { rows: predicted, invalid };
}

const tooManyBytes = (rows: number, maxBytes: number): BadUserInput =>
  BadUserInput.ofFields([
    {
      field: 'inputs',
      message: `must be fewer rows in one call: ${rows} of these have up to ${maxBytes} bytes of inputs and outputs, the maximum (serving.max_call_bytes of the model)`,
    },
  ]);

const notFinite = 'has no finite value for this row; the model cannot predict these inputs';
