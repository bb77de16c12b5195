import { z } from 'zod';
import { storedVersion, StoredRows, type StoredCall } from './stored-rows.js';

/** Rows as a block of lines: a head with what they have in common and their ids, then their inputs, then their outputs. */
export function journalBlock({ ids, runs, inputs, outputs }: StoredRows): string {
  const heads = runs.map(({ call, rows }) => `{"rows":${rows},${callJson(call)}}`);
  return [`{"ids":"${ids.join()}","runs":[${heads.join()}]}`, inputs, outputs, ''].join('\n');
}

const callJson = ({ version, userId, source, ageSeconds, durationMs, createdAt }: StoredCall): string =>
  `${version.json},"user_id":${JSON.stringify(userId)},"source":"${source}","age_seconds":${ageSeconds},"duration_ms":${durationMs},"created_at":"${createdAt}"`;

const call = z.object({
  user_id: z.uuid().nullable(),
  model: z.string(),
  version: z.number(),
  digest: z.string(),
  units: z.record(z.string(), z.string()).nullable().default(null),
  signature_digest: z.string().nullable().default(null),
  source: z.string(),
  age_seconds: z.number(),
  duration_ms: z.number(),
  created_at: z.iso.datetime(),
});

const blockHead = z.object({
  ids: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.uuid())),
  runs: z.array(call.extend({ rows: z.int().positive() })),
});

/** A row as earlier releases wrote it. */
const singleRow = call.extend({
  id: z.uuid(),
  input: z.record(z.string(), z.unknown()),
  output: z.record(z.string(), z.unknown()),
});

/**
 * Creates the function that reads a journal line by line. It returns the rows that a line completes, and null for other lines. A
 * block that was cut off when the process was killed is never completed.
 */
export function blockReader(): (line: string) => StoredRows | null {
  let head: z.infer<typeof blockHead> | null = null;
  let lines: string[] = [];
  return (line) => {
    if (!head) {
      const parsed = parsedJson(line);
      head = blockHead.safeParse(parsed).data ?? null;
      lines = [];
      return head ? null : rowOf(parsed);
    }
    const { ids, runs } = head;
    if (lines.push(line) < 2 * ids.length) return null;
    head = null;
    return new StoredRows({
      ids,
      runs: runs.map(({ rows, ...of }) => ({ rows, call: callOf(of) })),
      inputs: lines.slice(0, ids.length).join('\n'),
      outputs: lines.slice(ids.length).join('\n'),
    });
  };
}

function rowOf(parsed: unknown): StoredRows | null {
  const row = singleRow.safeParse(parsed).data;
  if (!row) return null;
  const { id, input, output, ...of } = row;
  return new StoredRows({
    ids: [id],
    runs: [{ rows: 1, call: callOf(of) }],
    inputs: JSON.stringify(input),
    outputs: JSON.stringify(output),
  });
}

const callOf = ({ user_id: userId, source, created_at: createdAt, ...of }: z.infer<typeof call>): StoredCall => ({
  version: storedVersion({ ...of, signatureDigest: of.signature_digest }),
  userId,
  source,
  ageSeconds: of.age_seconds,
  durationMs: of.duration_ms,
  createdAt,
});

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
