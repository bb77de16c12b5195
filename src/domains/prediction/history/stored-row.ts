import { storedProperties } from '../../../database/rows.js';
import { PredictionRecord } from '../prediction.entity.js';
import type { PredictionRow } from '../prediction.types.js';

/** A prediction as it waits to be written: its row in JSON, which is smaller than its objects and has a known size. */
export interface StoredRow {
  id: string;
  userId: string | null;
  model: string;
  /** The row as JSON, with the names of the columns. */
  json: string;
  bytes: number;
}

/** Memory of a row beside its text. */
const overheadBytes = 200;

const properties = storedProperties(PredictionRecord);

/** The columns of a prediction, in the order of the entity. */
export const predictionColumns: readonly string[] = properties.map(({ column }) => column);

/** @param redactsInput whether the input is left out */
export function toStoredRow(row: PredictionRow, redactsInput = false): StoredRow {
  const stored = redactsInput ? { ...row, input: {} } : row;
  const json = JSON.stringify(
    Object.fromEntries(properties.map(({ name, column }) => [column, stored[name as keyof PredictionRow]])),
  );
  return { id: row.id, userId: row.userId, model: row.model, json, bytes: json.length + overheadBytes };
}

/** The row without its user, as the table has it when an account was deleted. */
export const withoutUser = (row: StoredRow): StoredRow => ({
  ...row,
  userId: null,
  json: JSON.stringify({ ...(JSON.parse(row.json) as object), user_id: null }),
});
