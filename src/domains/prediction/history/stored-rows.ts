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

/** Successive rows of one call. */
interface Run {
  call: StoredCall;
  rows: number;
}

/** The columns of rows that differ in each. JSON has no line breaks outside of its escapes. */
interface Columns {
  ids: readonly string[];
  runs: readonly Run[];
  /** JSON, one line per row, without a line break at the end. */
  inputs: string;
  outputs: string;
}

/** Memory of a row beside its input and output. */
const overheadBytes = 100;

/**
 * Predictions as they wait to be written: one text for each column, which both the journal and the database take as it is. An
 * object for each row would be a good part of what a large call leaves to the garbage collection. Buffers would be outside the heap
 * of V8, which collects them late: 70 MB more under load.
 */
export class StoredRows {
  readonly ids: readonly string[];
  readonly runs: readonly Run[];
  readonly inputs: string;
  readonly outputs: string;

  constructor({ ids, runs, inputs, outputs }: Columns) {
    this.ids = ids;
    this.runs = runs;
    this.inputs = inputs;
    this.outputs = outputs;
  }

  get length(): number {
    return this.ids.length;
  }

  /** Memory of the rows. */
  get bytes(): number {
    return this.inputs.length + this.outputs.length + overheadBytes * this.length;
  }

  /** The owner of the first row; those of a call have the same. */
  get owner(): string | null {
    return this.runs[0]?.call.userId ?? null;
  }

  /** The ids by owner, without rows of deleted accounts. */
  idsByOwner(): Map<string, string[]> {
    const byOwner = new Map<string, string[]>();
    let next = 0;
    for (const { call, rows } of this.runs) {
      const ids = this.ids.slice(next, (next += rows));
      if (call.userId === null) continue;
      const owned = byOwner.get(call.userId);
      if (owned) owned.push(...ids);
      else byOwner.set(call.userId, ids);
    }
    return byOwner;
  }

  /** These rows as those of no account. */
  withoutOwner(): StoredRows {
    return new StoredRows({
      ...this,
      runs: this.runs.map(({ call, rows }) => ({ call: { ...call, userId: null }, rows })),
    });
  }

  /** The rows before and from a position. */
  splitAt(position: number): [StoredRows, StoredRows] {
    return [this.#part(0, position), this.#part(position, this.length)];
  }

  #part(start: number, end: number): StoredRows {
    const lines = (column: string): string => column.split('\n').slice(start, end).join('\n');
    const runs: Run[] = [];
    let first = 0;
    for (const { call, rows } of this.runs) {
      const shared = Math.min(first + rows, end) - Math.max(first, start);
      if (shared > 0) runs.push({ call, rows: shared });
      first += rows;
    }
    return new StoredRows({
      ids: this.ids.slice(start, end),
      runs,
      inputs: lines(this.inputs),
      outputs: lines(this.outputs),
    });
  }

  /** All rows of several, in order. */
  static joined(all: readonly StoredRows[]): StoredRows {
    const [first, ...others] = all;
    if (first && others.length === 0) return first;
    return new StoredRows({
      ids: all.flatMap(({ ids }) => ids),
      runs: all.flatMap(({ runs }) => runs),
      inputs: all.map(({ inputs }) => inputs).join('\n'),
      outputs: all.map(({ outputs }) => outputs).join('\n'),
    });
  }
}

/** Collects predictions of a call. */
export class RowCollector {
  #ids: string[] = [];
  #runs: Run[] = [];
  #inputs: string[] = [];
  #outputs: string[] = [];
  #createdAt: Date | null = null;
  /** Characters of the collected inputs and outputs. */
  characters = 0;

  /** @param redactsInput whether the inputs are left out */
  constructor(private readonly redactsInput = false) {}

  get length(): number {
    return this.#ids.length;
  }

  add(row: PredictionRow): void {
    const input = this.redactsInput ? '{}' : JSON.stringify(row.input);
    const output = JSON.stringify(row.output);
    this.#ids.push(row.id);
    this.#inputs.push(input);
    this.#outputs.push(output);
    this.characters += input.length + output.length;
    const run = this.#runs.at(-1);
    if (run && row.createdAt === this.#createdAt && isOf(run.call, row)) {
      run.rows += 1;
      return;
    }
    const version = run && isOfVersion(run.call.version, row) ? run.call.version : storedVersion(row);
    const { userId, source, ageSeconds, durationMs } = row;
    this.#createdAt = row.createdAt;
    const createdAt = row.createdAt.toISOString();
    this.#runs.push({ call: { version, userId, source, ageSeconds, durationMs, createdAt }, rows: 1 });
  }

  /** The rows since the last call of this. */
  take(): StoredRows {
    const rows = new StoredRows({
      ids: this.#ids,
      runs: this.#runs,
      inputs: this.#inputs.join('\n'),
      outputs: this.#outputs.join('\n'),
    });
    [this.#ids, this.#runs, this.#inputs, this.#outputs, this.characters] = [[], [], [], [], 0];
    return rows;
  }
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

export function storedVersion({ model, version, digest, units, signatureDigest }: VersionColumns): StoredVersion {
  const columns = { model, version, digest, units, signature_digest: signatureDigest };
  return { model, version, digest, units, signatureDigest, json: JSON.stringify(columns).slice(1, -1) };
}
