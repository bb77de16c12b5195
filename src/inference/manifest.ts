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
  /** The version that answers when none is asked for; absent: the highest. */
  current?: number | undefined;
  inputs: Record<string, ManifestInput>;
  outputs: Record<string, ManifestOutput>;
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
  .array(z.union([z.string(), z.number()]).transform(String).pipe(text(200)))
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

const manifest = z.strictObject({
  title: text(200),
  description: text(5000).optional(),
  current: z.int().positive('must be 1 or more').optional(),
  inputs: fields(input),
  outputs: fields(output),
});

/**
 * Reads a manifest, YAML or JSON.
 * @param file the name that problems are told under, such as `iris/model.yaml`
 * @throws ModelStoreError that names every faulty line at once
 */
export function readManifest(file: string, source: string): Manifest {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    throw new ModelStoreError(faults.map(({ pos, message }) => `${file}:${lines.linePos(pos[0]).line}: ${message}`));
  }
  const parsed = manifest.safeParse(plainValue(file, document));
  if (parsed.success) return parsed.data;
  throw new ModelStoreError(
    parsed.error.issues
      .flatMap(pathsAndMessages)
      .map(({ path, message }) => `${file}${lineOf(document, lines, path)}: ${path.join('.') || 'the file'} ${message}`),
  );
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

function pathsAndMessages(issue: z.core.$ZodIssue): Fault[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path).join(', ');
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

function knownKeys(path: PropertyKey[]): string[] {
  if (path.length === 0) return Object.keys(manifest.shape);
  return Object.keys(path[0] === 'inputs' ? input.shape : output.shape);
}

/** The line of the value at a path, or of the nearest one around it; empty where there is none. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): string {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return `:${lines.linePos(node.range[0]).line}`;
  }
  return '';
}
