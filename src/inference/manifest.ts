import { isNode, LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';

/** What is said of a field of a model beside what its graph says. */
export interface ManifestField {
  description?: string | undefined;
  unit?: string | undefined;
  /** Values that the model knows, as text. */
  values?: string[] | undefined;
}

export interface ManifestInput extends ManifestField {
  required: boolean;
  /** Only whole numbers, although the graph takes any. */
  integer: boolean;
  minimum?: number | undefined;
  maximum?: number | undefined;
  /** Only `values` are taken; otherwise they inform. */
  closed: boolean;
}

export interface ManifestOutput extends ManifestField {
  /** Names of a vector's elements, in order: the answer is an object with these keys. */
  labels?: string[] | undefined;
}

/** What a model folder says of itself. */
export interface Manifest {
  title: string;
  description?: string | undefined;
  /** Which versions are served: all that lie there, the highest, or these. */
  versions: 'all' | 'latest' | number[];
  /** The version that answers when none is asked for; absent: the highest that is served. A promotion comes before it. */
  current?: number | undefined;
  serving: Serving;
  /** A version that a share of the callers gets instead of the current one. */
  canary?: CanaryRule | undefined;
  /** A version that answers along with the current one, for comparison only. */
  shadow?: ShadowRule | undefined;
  inputs: Record<string, ManifestInput>;
  outputs: Record<string, ManifestOutput>;
}

/** How a model's calls are queued and run. */
export interface Serving {
  /** Rows of one run. */
  maxBatch: number;
  /** Milliseconds that a call waits for others to join its run; 0: only those of the same moment join. */
  windowMs: number;
  /** Rows that may wait for a run; what comes after is refused. */
  maxQueue: number;
  /** Milliseconds after which a call is given up. */
  deadlineMs: number;
  /** Seconds for which an expired answer may stand in where the model fails or is late; 0: never. */
  staleSeconds: number;
}

export interface CanaryRule {
  version: number;
  /** Callers out of a hundred; the same callers as long as it runs. */
  percent: number;
  /** Share of the last calls that may fail, 0 to 1; above it the canary is stopped. */
  maxErrorRate: number;
  /** Milliseconds within which 95 of the last 100 calls must be answered; absent: any. */
  maxP95Ms?: number | undefined;
  /** Calls before it is judged. */
  minCalls: number;
}

export interface ShadowRule {
  version: number;
  /** Calls out of a hundred that it answers as well. */
  percent: number;
}

/** The model store is not usable as it lies on disk; `problems` names each file, what is wrong with it and what would be right. */
export class ModelStoreError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(
      [
        'The model store is not usable. Correct these, or move the model out of the store:',
        ...problems.map((problem) => `  - ${problem}`),
      ].join('\n'),
    );
    this.name = 'ModelStoreError';
  }
}

/** Longest manifest that is read, in bytes. */
export const maxManifestBytes = 256 * 1024;

/** Most inputs, outputs, values or labels. */
const maxNames = 1000;

const text = (maxLength: number) => z.string().min(1, 'must not be empty').max(maxLength, `must have ${maxLength} characters or fewer`);

const names = z
  .array(z.union([z.string(), z.number()], 'must be text or a number').transform(String).pipe(text(200)))
  .min(1, 'must name at least one')
  .max(maxNames, `must have ${maxNames} entries or fewer`)
  .refine((list) => new Set(list).size === list.length, 'must not name one twice');

const field = { description: text(2000).optional(), unit: text(50).optional(), values: names.optional() };

const input = z
  .strictObject({
    ...field,
    required: z.boolean().default(true),
    integer: z.boolean().default(false),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    closed: z.boolean().default(false),
  })
  .refine(({ minimum, maximum }) => minimum === undefined || maximum === undefined || minimum <= maximum, {
    path: ['minimum'],
    message: 'must not be above maximum',
  })
  .refine(({ closed, values }) => !closed || values !== undefined, { path: ['closed'], message: 'needs a list of values to close' });

const output = z.strictObject({ ...field, labels: names.optional() });

const fields = <Field extends z.ZodType>(of: Field) =>
  z.record(text(100), of).refine((record) => Object.keys(record).length <= maxNames, `must have ${maxNames} entries or fewer`);

const within = (lowest: number, highest: number) =>
  z.number().min(lowest, `must be ${lowest} or more`).max(highest, `must be ${highest} or less`);
const whole = (lowest: number, highest: number) => z.int().min(lowest, `must be ${lowest} or more`).max(highest, `must be ${highest} or less`);

/** GraphQL's Int ends there. */
const version = whole(1, 2 ** 31 - 1);

const serving = z.strictObject({
  max_batch: whole(1, 65_536).default(1024),
  window_ms: within(0, 1000).default(0),
  max_queue: whole(1, 1_000_000).default(16_384),
  deadline_ms: whole(1, 600_000).default(2000),
  stale_seconds: whole(0, 31_536_000).default(0),
});

const canary = z.strictObject({
  version,
  percent: within(0, 100),
  max_error_rate: within(0, 1).default(0.05),
  max_p95_ms: within(1, 600_000).optional(),
  // A canary is judged by its last hundred calls.
  min_calls: whole(1, 100).default(20),
});

const shadow = z.strictObject({ version, percent: within(0, 100) });

const versions = z.union([z.enum(['all', 'latest']), z.array(version).min(1, 'must name at least one').max(100)], 'must be all, latest, or a list of up to 100 version numbers');

const signature = z.strictObject({ inputs: fields(input), outputs: fields(output) });

const manifest = z.strictObject({
  title: text(200),
  description: text(5000).optional(),
  versions: versions.default('all'),
  current: version.optional(),
  serving: serving.prefault({}),
  canary: canary.optional(),
  shadow: shadow.optional(),
  ...signature.shape,
});

/**
 * Reads a manifest, YAML or JSON.
 * @param file the name that problems are told under, such as `iris/model.yaml`
 * @throws ModelStoreError that names every faulty line at once
 */
export function readManifest(file: string, source: string): Manifest {
  return camelCased(readDocument(manifest, file, source));
}

/** Where a manifest says something, for messages: `iris/model.yaml:3`, or the file alone where it does not say it. */
export function placeIn(file: string, source: string, path: readonly string[]): string {
  const lines = new LineCounter();
  return `${file}${lineOf(parseDocument(source, { lineCounter: lines }), lines, path)}`;
}

/**
 * Reads what one version says of its own inputs and outputs, in place of the manifest; YAML or JSON.
 * @param file the name that problems are told under, such as `iris/2/signature.yaml`
 * @throws ModelStoreError that names every faulty line at once
 */
export function readSignatureFile(file: string, source: string): Pick<Manifest, 'inputs' | 'outputs'> {
  return readDocument(signature, file, source);
}

function readDocument<Schema extends z.ZodObject>(schema: Schema, file: string, source: string): z.infer<Schema> {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    throw new ModelStoreError(faults.map(({ pos, message }) => `${file}:${lines.linePos(pos[0]).line}: ${message}`));
  }
  const parsed = schema.safeParse(plainValue(file, document));
  if (parsed.success) return parsed.data;
  throw new ModelStoreError(
    parsed.error.issues
      .flatMap((issue) => pathsAndMessages(issue, schema))
      .map(({ path, message }) => `${file}${lineOf(document, lines, path)}: ${path.join('.') || 'the file'} ${message}`),
  );
}

/** The manifest in the names of the code. */
function camelCased({ serving, canary, ...told }: z.infer<typeof manifest>): Manifest {
  return {
    ...told,
    serving: {
      maxBatch: serving.max_batch,
      windowMs: serving.window_ms,
      maxQueue: serving.max_queue,
      deadlineMs: serving.deadline_ms,
      staleSeconds: serving.stale_seconds,
    },
    canary: canary && {
      version: canary.version,
      percent: canary.percent,
      maxErrorRate: canary.max_error_rate,
      maxP95Ms: canary.max_p95_ms,
      minCalls: canary.min_calls,
    },
  };
}

function plainValue(file: string, document: Document): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // Aliases that point nowhere, or so many that they would fill the memory.
    throw new ModelStoreError([`${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

interface Fault {
  path: PropertyKey[];
  message: string;
}

function pathsAndMessages(issue: z.core.$ZodIssue, schema: z.ZodObject): Fault[] {
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(schemaAt(issue.path, schema).shape).join(', ');
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: `is not known; known here are ${known}` }));
  }
  if (issue.code === 'invalid_key') return issue.issues.map(({ message }) => ({ path: issue.path, message }));
  if (issue.code === 'invalid_type') {
    return [
      {
        path: issue.path,
        message: issue.message.endsWith('undefined') ? 'is missing' : `must be ${typeNames[issue.expected] ?? issue.expected}`,
      },
    ];
  }
  return [{ path: issue.path, message: issue.message }];
}

const typeNames: Record<string, string> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text; put it in quotes where YAML takes it for something else',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** What holds at a path: everything below `inputs` is an input. */
function schemaAt([section]: readonly PropertyKey[], whole: z.ZodObject): z.ZodObject {
  const sections: Record<PropertyKey, z.ZodObject> = { inputs: input, outputs: output, serving, canary, shadow };
  return (section === undefined ? undefined : sections[section]) ?? whole;
}

/** The line of the value at a path, or of the nearest one around it; empty where there is none. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): string {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return `:${lines.linePos(node.range[0]).line}`;
  }
  return '';
}
