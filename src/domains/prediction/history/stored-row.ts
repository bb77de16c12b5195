import { z } from 'zod';
import type { PredictionRow } from '../prediction.types.js';

/** What the predictions of a version have in common. */
interface StoredVersion {
  model: string;
  version: number;
  digest: string;
  units: Record<string, string> | null;
  signatureDigest: string | null;
  /** The same as entries of a JSON object by the names of the columns, without its braces. */
  json: string;
}

/** What the predictions of a call have in common; those that came from the cache, or in another run, differ in some of it. */
export interface StoredCall {
  version: StoredVersion;
  userId: string | null;
  source: string;
  ageSeconds: number;
  durationMs: number;
  /** ISO 8601, in UTC. */
  createdAt: string;
}

/** A prediction as it waits to be written. Input and output are JSON, which is smaller than their objects and has a known size. */
export interface StoredRow {
  id: string;
  call: StoredCall;
  input: string;
  output: string;
  /** Memory of the row. */
  bytes: number;
}

/** Memory of a row beside its input and output. */
const overheadBytes = 300;

/** Creates the function that converts the predictions of a call. @param redactsInput whether the inputs are left out */
export function rowStore(redactsInput = false): (row: PredictionRow) => StoredRow {
  let call: StoredCall | null = null;
  let createdAt: Date | null = null;
  return (row) => {
    if (!call || row.createdAt !== createdAt || !isOf(call, row)) {
      const version = call && isOfVersion(call.version, row) ? call.version : storedVersion(row);
      const { userId, source, ageSeconds, durationMs } = row;
      createdAt = row.createdAt;
      call = { version, userId, source, ageSeconds, durationMs, createdAt: createdAt.toISOString() };
    }
    const input = redactsInput ? '{}' : JSON.stringify(row.input);
    const output = JSON.stringify(row.output);
    return { id: row.id, call, input, output, bytes: input.length + output.length + overheadBytes };
  };
}

type VersionColumns = Omit<StoredVersion, 'json'>;
type CallColumns = VersionColumns & Omit<StoredCall, 'version' | 'createdAt'>;

const isOf = (call: StoredCall, row: CallColumns): boolean =>
  call.durationMs === row.durationMs &&
  call.ageSeconds === row.ageSeconds &&
  call.source === row.source &&
  call.userId === row.userId &&
  isOfVersion(call.version, row);

const isOfVersion = (one: VersionColumns, other: VersionColumns): boolean =>
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
  // Joined once: a text for each row, of several parts, takes several times the memory.
  const parts = new Array<string>(rows.length * 7);
  let next = 0;
  let call: StoredCall | null = null;
  let [beforeInput, afterOutput] = ['', ''];
  for (const row of rows) {
    if (row.call !== call) {
      call = row.call;
      [beforeInput, afterOutput] = [textBeforeInput(call), textAfterOutput(call)];
    }
    parts[next++] = '{"id":"';
    parts[next++] = row.id;
    parts[next++] = beforeInput;
    parts[next++] = row.input;
    parts[next++] = ',"output":';
    parts[next++] = row.output;
    parts[next++] = afterOutput;
  }
  return parts.join('');
}

const textBeforeInput = ({ userId, version }: StoredCall): string =>
  `","user_id":${userId === null ? 'null' : `"${userId}"`},${version.json},"input":`;

const textAfterOutput = ({ source, ageSeconds, durationMs, createdAt }: StoredCall): string =>
  `,"source":"${source}","age_seconds":${ageSeconds},"duration_ms":${durationMs},"created_at":"${createdAt}"}\n`;

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
    const call = {
      version,
      userId: row.user_id,
      source: row.source,
      ageSeconds: row.age_seconds,
      durationMs: row.duration_ms,
      createdAt: row.created_at,
    };
    const [input, output] = [JSON.stringify(row.input), JSON.stringify(row.output)];
    return { id: row.id, call, input, output, bytes: line.length };
  };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
