import { isNode, LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import { OperatorError } from '../../errors/operator-error.js';
import { defaultTolerance, type Tolerance } from '../signature/compare.js';
import { bindingRule, bindingRules, type BindingRule } from './binding-rules.js';
import { historyRule, partialHistory, type HistoryRule } from './history-rule.js';
import { version } from './manifest-numbers.js';
import {
  imageSettings,
  preprocessSettings,
  tokenizerSettings,
  type PreprocessSettings,
} from '../preprocessing/settings.js';
import { canary, canaryRule, shadow, type CanaryRule, type ShadowRule } from './rollout-rules.js';
import { serving, toServing, type Serving } from './serving-rules.js';

export type { Serving } from './serving-rules.js';

/** Metadata of a field beyond its graph. */
export interface ManifestField {
  description?: string | undefined;
  unit?: string | undefined;
  /** Known values, as text. */
  values?: string[] | undefined;
}

export interface ManifestInput extends ManifestField {
  required: boolean;
  /** Only integers, although the graph accepts any number. */
  integer: boolean;
  minimum?: number | undefined;
  maximum?: number | undefined;
  /** Whether values outside `values` are rejected. */
  closed: boolean;
  /** Maximum characters of a string. */
  max_length?: number | undefined;
  /** Whether elements of a list may be null; the graph gets NaN. */
  nullable_elements?: boolean | undefined;
  /** How a value of a caller becomes inputs of the graph. */
  preprocess?: PreprocessSettings | undefined;
}

export interface ManifestOutput extends ManifestField {
  /** Names of the elements of a vector, in order; the output is an object with these keys. */
  labels?: string[] | undefined;
  /** How far floats of equal predictions may differ; by default that of the manifest. */
  tolerance?: Tolerance | undefined;
}

/** The manifest of a model folder. */
export interface Manifest {
  title: string;
  description?: string | undefined;
  /** The served versions: all, the highest, or these. */
  versions: 'all' | 'latest' | number[];
  /** The version used when a call requests none; by default the highest. A promotion overrides it. */
  current?: number | undefined;
  serving: Serving;
  /** How far floats of equal predictions may differ, for outputs that declare no tolerance. */
  tolerance?: Tolerance | undefined;
  /** A version that serves a share of the callers instead of the current one. */
  canary?: CanaryRule | undefined;
  /** A version that runs beside the current one for comparison only. */
  shadow?: ShadowRule | undefined;
  history: HistoryRule;
  /** Fields of the schema that the model computes. */
  bind: Binding[];
  inputs: Record<string, ManifestInput>;
  outputs: Record<string, ManifestOutput>;
}

/** A binding with the places of its entries, such as `iris/model.yaml:12`, by their path: `output` or `inputs.age`. */
export interface Binding extends BindingRule {
  places: Readonly<Record<string, string>>;
}

/** The model repository is invalid; `problems` names each file, the problem and the fix. */
export class ModelRepositoryError extends OperatorError {
  constructor(readonly problems: readonly string[]) {
    super(
      [
        'The model repository is invalid. Fix these problems, or move the model out of the repository:',
        ...problems.map((problem) => `  - ${problem}`),
      ].join('\n'),
    );
  }
}

/** Maximum size of a manifest in bytes. */
export const maxManifestBytes = 256 * 1024;

/** Maximum number of inputs, outputs, values or labels. */
const maxNames = 1000;

const text = (maxLength: number) =>
  z.string().min(1, 'must not be empty').max(maxLength, `must have ${maxLength} characters or fewer`);

const names = z
  .array(z.union([z.string(), z.number()], 'must be text or a number').transform(String).pipe(text(200)))
  .min(1, 'must name at least one')
  .max(maxNames, `must have ${maxNames} entries or fewer`)
  .refine((list) => new Set(list).size === list.length, 'must not name one twice');

const field = { description: text(2000).optional(), unit: text(50).optional(), values: names.optional() };

const isNumber = ({
  integer,
  minimum,
  maximum,
}: {
  integer: boolean;
  minimum?: number | undefined;
  maximum?: number | undefined;
}): boolean => integer || minimum !== undefined || maximum !== undefined;

const input = z
  .strictObject({
    ...field,
    required: z.boolean().default(true),
    integer: z.boolean().default(false),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    closed: z.boolean().default(false),
    max_length: z.int().min(1, 'must be 1 or more').max(100_000, 'must be 100000 or less').optional(),
    nullable_elements: z.boolean().optional(),
    preprocess: preprocessSettings.optional(),
  })
  .refine(({ minimum, maximum }) => minimum === undefined || maximum === undefined || minimum <= maximum, {
    path: ['minimum'],
    message: 'must not be above maximum',
  })
  .refine(({ closed, values }) => !closed || values !== undefined, {
    path: ['closed'],
    message: 'needs a list of values to close',
  })
  .refine((one) => !one.preprocess || !(isNumber(one) || one.values !== undefined || one.nullable_elements === true), {
    path: ['preprocess'],
    message: 'is for images and texts; remove values, minimum, maximum, integer and nullable_elements',
  });

const tolerance = z.strictObject({
  relative: z.number().min(0, 'must be 0 or more').max(1, 'must be 1 or less').default(defaultTolerance.relative),
  absolute: z.number().min(0, 'must be 0 or more').default(defaultTolerance.absolute),
});

const output = z.strictObject({ ...field, labels: names.optional(), tolerance: tolerance.optional() });

const fields = <Field extends z.ZodType>(of: Field) =>
  z
    .record(text(100), of)
    .refine((record) => Object.keys(record).length <= maxNames, `must have ${maxNames} entries or fewer`);

const versions = z.union(
  [z.enum(['all', 'latest']), z.array(version).min(1, 'must name at least one').max(100)],
  'must be all, latest, or a list of up to 100 version numbers',
);

const signature = z.strictObject({ inputs: fields(input), outputs: fields(output) });

const manifest = z.strictObject({
  title: text(200),
  description: text(5000).optional(),
  versions: versions.default('all'),
  current: version.optional(),
  serving: serving.prefault({}),
  tolerance: tolerance.optional(),
  canary: canary.optional(),
  shadow: shadow.optional(),
  history: historyRule,
  bind: bindingRules.default([]),
  ...signature.shape,
});

/**
 * Reads a manifest, YAML or JSON.
 * @param file the file name in problems, such as `iris/model.yaml`
 * @throws ModelRepositoryError with every invalid line
 */
export function readManifest(file: string, source: string): Manifest {
  const { serving, canary, bind, ...reported } = readDocument(manifest, file, source);
  return {
    ...reported,
    serving: toServing(serving),
    canary: canary && canaryRule(canary),
    bind: bind.length > 0 ? placed(bind, placesIn(file, source)) : [],
  };
}

const placed = (rules: readonly BindingRule[], placeOf: (path: readonly PropertyKey[]) => string): Binding[] =>
  rules.map((rule, index) => {
    const paths = [
      ['type'],
      ['field'],
      ['output'],
      ['target'],
      ...Object.keys(rule.inputs).map((name) => ['inputs', name]),
    ];
    return {
      ...rule,
      places: Object.fromEntries(paths.map((path) => [path.join('.'), placeOf(['bind', index, ...path])])),
    };
  });

/** Finds the places of keys in a manifest for messages: `iris/model.yaml:3`, or the file if the key is absent. */
export function placesIn(file: string, source: string): (path: readonly PropertyKey[]) => string {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  return (path) => `${file}${lineOf(document, lines, path)}`;
}

/**
 * Reads the inputs and outputs of one version, which replace those of the manifest; YAML or JSON.
 * @param file the file name in problems, such as `iris/2/signature.yaml`
 * @throws ModelRepositoryError with every invalid line
 */
export function readSignatureFile(file: string, source: string): Pick<Manifest, 'inputs' | 'outputs'> {
  return readDocument(signature, file, source);
}

function readDocument<Schema extends z.ZodObject>(schema: Schema, file: string, source: string): z.infer<Schema> {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const errors = [...document.errors, ...document.warnings];
  if (errors.length > 0) {
    throw new ModelRepositoryError(
      errors.map(({ pos, message }) => `${file}:${lines.linePos(pos[0]).line}: ${message}`),
    );
  }
  const parsed = schema.safeParse(plainValue(file, document));
  if (parsed.success) return parsed.data;
  throw new ModelRepositoryError(
    parsed.error.issues
      .flatMap((issue) => pathsAndMessages(issue, schema))
      .map(
        ({ path, message }) => `${file}${lineOf(document, lines, path)}: ${path.join('.') || 'the file'} ${message}`,
      ),
  );
}

function plainValue(file: string, document: Document): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // Aliases that point nowhere, or that would exhaust memory.
    throw new ModelRepositoryError([`${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

interface PathProblem {
  path: PropertyKey[];
  message: string;
}

function pathsAndMessages(issue: z.core.$ZodIssue, schema: z.ZodObject): PathProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(schemaAt(issue.path, schema).shape).join(', ');
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: `is unknown; known keys are ${known}` }));
  }
  if (issue.code === 'invalid_key') return issue.issues.map(({ message }) => ({ path: issue.path, message }));
  if (issue.code === 'invalid_type') {
    return [
      {
        path: issue.path,
        message: issue.message.endsWith('undefined')
          ? 'is missing'
          : `must be ${typeNames[issue.expected] ?? issue.expected}`,
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

/** The keys of both kinds, for messages. */
const preprocessKeys = z.object({ ...tokenizerSettings.shape, ...imageSettings.shape });

/** What holds at a path: everything below `inputs` is an input. */
function schemaAt([section, , key]: readonly PropertyKey[], whole: z.ZodObject): z.ZodObject {
  if (section === 'inputs' && key === 'preprocess') return preprocessKeys;
  const sections: Record<PropertyKey, z.ZodObject> = {
    inputs: input,
    outputs: output,
    serving,
    tolerance,
    canary,
    shadow,
    history: partialHistory,
    bind: bindingRule,
  };
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
