import { z } from 'zod';
import type { PredictionRow } from '../prediction.types.js';

/** What the predictions of a version have in common. */
export interface StoredVersion {
  model: string;
  version: number;
  digest: string;
  units: Record<string, string> | null;
  signatureDigest: string | null;
  /** The same as entries of a JSON object by the names of the columns, without its braces. */
  json: string;
}

/** A prediction as it waits to be written. Input and output are JSON, which is smaller than their objects and has a known size. */
export interface StoredRow {
  id: string;
  userId: string | null;
  version: StoredVersion;
  input: string;
  output: string;
  source: string;
  ageSeconds: number;
  durationMs: number;
  /** ISO 8601, in UTC. */
  createdAt: string;
  /** Memory of the row. */
  bytes: number;
}

/** Memory of a row beside its input and output. */
const overheadBytes = 300;

/** Creates the function that converts the predictions of a call. @param redactsInput whether the inputs are left out */
export function rowStore(redactsInput = false): (row: PredictionRow) => StoredRow {
  let version: StoredVersion | null = null;
  let created = { at: new Date(NaN), text: '' };
  return (row) => {
    if (!version || !isOf(version, row)) version = storedVersion(row);
    if (row.createdAt !== created.at) created = { at: row.createdAt, text: row.createdAt.toISOString() };
    const input = redactsInput ? '{}' : JSON.stringify(row.input);
    const output = JSON.stringify(row.output);
    return {
      id: row.id,
      userId: row.userId,
      version,
      input,
      output,
      source: row.source,
      ageSeconds: row.ageSeconds,
      durationMs: row.durationMs,
      createdAt: created.text,
      bytes: input.length + output.length + overheadBytes,
    };
  };
}

type VersionColumns = Omit<StoredVersion, 'json'>;

const isOf = (one: VersionColumns, other: VersionColumns): boolean =>
  one.digest === other.digest &&
  one.version === other.version &&
  one.model === other.model &&
  one.units === other.units &&
  one.signatureDigest === other.signatureDigest;

function storedVersion({ model, version, digest, units, signatureDigest }: VersionColumns): StoredVersion {
  const columns = { model, version, digest, units, signature_digest: signatureDigest };
  return { model, version, digest, units, signatureDigest, json: JSON.stringify(columns).slice(1, -1) };
}

/** Rows as lines of JSON, by the names of the columns. */
export function journalLines(rows: readonly StoredRow[]): string {
  // Joined once: a text for each row, of a dozen parts, takes several times the memory.
  const parts: string[] = [];
  let [userId, version, beforeInput]: [string | null, StoredVersion | null, string] = [null, null, ''];
  for (const row of rows) {
    if (row.version !== version || row.userId !== userId) {
      ({ userId, version } = row);
      const user = userId === null ? 'null' : `"${userId}"`;
      beforeInput = `","user_id":${user},${version.json},"input":`;
    }
    const times = `","age_seconds":${row.ageSeconds},"duration_ms":${row.durationMs},"created_at":"`;
    parts.push('{"id":"', row.id, beforeInput, row.input, ',"output":', row.output, ',"source":"', row.source);
    parts.push(times, row.createdAt, '"}\n');
  }
  return parts.join('');
}

const journalRow = z.object({
  id: z.uuid(),
  user_id: z.uuid().nullable(),
  model: z.string(),
  version: z.number(),
  digest: z.string(),
  input: z.record(z.string(), z.unknown()),
  output: z.record(z.string(), z.unknown()),
  units: z.record(z.string(), z.string()).nullable().default(null),
  signature_digest: z.string().nullable().default(null),
  source: z.string(),
  age_seconds: z.number(),
  duration_ms: z.number(),
  created_at: z.iso.datetime(),
});

/** Creates the function that reads lines of a journal. It returns null for a line that was cut off when the process was killed. */
export function lineReader(): (line: string) => StoredRow | null {
  const versions = new Map<string, StoredVersion>();
  return (line) => {
    const parsed = journalRow.safeParse(parsedJson(line));
    if (!parsed.success) return null;
    const { model, digest, units, signature_digest: signatureDigest, ...row } = parsed.data;
    const found = storedVersion({ model, version: row.version, digest, units, signatureDigest });
    const version = versions.get(found.json) ?? found;
    versions.set(version.json, version);
    return {
      id: row.id,
      userId: row.user_id,
      version,
      input: JSON.stringify(row.input),
      output: JSON.stringify(row.output),
      source: row.source,
      ageSeconds: row.age_seconds,
      durationMs: row.duration_ms,
      createdAt: row.created_at,
      bytes: line.length,
    };
  };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
