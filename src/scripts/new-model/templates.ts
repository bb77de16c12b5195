import { fillInMark } from '../../inference/repository/card.js';
import type { InputField, OutputField, Signature } from '../../inference/signature/types.js';

/** What is known of a model from its graph. */
export interface ModelDescription {
  name: string;
  signature: Signature;
  /** Known texts by input. */
  categories: ReadonlyMap<string, readonly string[]>;
  /** Inputs with a category for a missing text. */
  optional: ReadonlySet<string>;
  /** The classes of the outputs, by their names. */
  classes: ReadonlyMap<string, readonly string[]>;
  /** Whether rows of one run influence each other, so that a run has one row only. */
  isDependent: boolean;
  /** Size of the graph with its external data. */
  bytes: number;
}

/** The text of `model.yaml`: valid as it is, with what the graph contains. */
export function manifestText({
  name,
  signature,
  categories,
  optional,
  classes,
  isDependent,
}: ModelDescription): string {
  const { inputs, outputs } = signature;
  return [
    '# Fill in what the graph does not contain:',
    '#   description, unit                         of inputs and outputs, shown in the schema',
    '#   minimum, maximum, integer: true, required: false, values: [...]   of inputs',
    '#   labels: [...]                             of an output that is a vector: the names of its elements',
    '# For example  distance_km: { description: Way to the door., unit: km, minimum: 0, maximum: 100 }',
    '# All keys: docs/adding-a-model.md',
    `title: ${yamlText(titleOf(name))}`,
    '# description: What the model predicts, and from what.',
    ...(isDependent ? ['serving: { max_batch: 1 } # Rows of one run influence each other.'] : []),
    'inputs:',
    ...inputs.map((input) => {
      const values = categories.get(input.name) ?? [];
      const keys = [
        ...(optional.has(input.name) ? ['required: false'] : []),
        ...(values.length === 0 ? [] : [`values: ${yamlList(values)}`]),
      ];
      return fieldLine(input, keys.join(', '));
    }),
    'outputs:',
    ...outputs.map((output) => {
      const known = classes.get(output.name);
      const key = output.rowShape.length === 0 ? 'values' : 'labels';
      const line = fieldLine(output, known ? `${key}: ${yamlList(known)}` : '');
      return exporterName.test(output.name)
        ? `${line}; named by the exporter: rename it in the export, since the schema shows it`
        : line;
    }),
    '',
  ].join('\n');
}

/** Names that exporters give to outputs that have none. */
const exporterName = /^(?:variable|output|dense|linear)?_?\d*$/;

const fieldLine = (field: InputField | OutputField, keys: string): string =>
  `  ${yamlText(field.name)}: ${keys === '' ? '{}' : `{ ${keys} }`} # ${kindOf(field)}`;

/** For example `float` or `8 x 8 floats`. */
function kindOf({ type, rowShape }: Pick<InputField | OutputField, 'type' | 'rowShape'>): string {
  return rowShape.length === 0 ? type : `${rowShape.map((size) => size ?? 'any number of').join(' x ')} ${type}s`;
}

/** The card, with the sections of the cards in `model-store/`. */
export function cardText({ name, signature, bytes }: ModelDescription): string {
  return `# Model card: ${name}

${todo('what the model predicts, from what, and by which method')}

## What it is for

${todo('for whom and which decisions it is meant')}

## Out of scope

${todo('uses that it is not meant for')}

## Inputs and outputs

| input | type | unit | |
|---|---|---|---|
${signature.inputs.map(tableRow).join('\n')}

| output | type | unit | |
|---|---|---|---|
${signature.outputs.map(tableRow).join('\n')}

Limits and categories are in [\`model.yaml\`](model.yaml). ${todo('units, and how missing values are treated')}

## Data

${todo('what it was trained on, where that came from, and what was done to it')}

## Training

${todo('method, parameters, and how they were chosen')}

## Evaluation

${todo('how good it is, on what that was measured, and against what; the figures also in `1/metrics.json`')}

## Limits

${todo('where it is wrong or must not be used')}

## Export and checks

\`model.onnx\` has ${sizeText(bytes)}. The rows in [\`1/golden.jsonl\`](1/golden.jsonl) are generated and their outputs were computed by
the graph itself. ${todo('replace them with rows whose outputs come from the training framework, and state the largest difference')}

## Retrain

${todo('where the training code is and how to run it')}
`;
}

const todo = (what: string): string => `${fillInMark} ${what}.`;

const tableRow = (field: InputField | OutputField): string =>
  `| \`${field.name.replaceAll(/[|`\s]/g, ' ')}\` | ${kindOf(field)} | | |`;

const sizeText = (bytes: number): string =>
  bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;

/** `wine-quality` as `Wine quality`. */
function titleOf(name: string): string {
  const words = name.replaceAll(/[-_.]+/g, ' ').trim();
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}

const yamlList = (values: readonly string[]): string => `[${values.map((value) => JSON.stringify(value)).join(', ')}]`;

/** Text in YAML: plain if it is a word that means nothing else, such as `no` or `null`. */
const yamlText = (text: string): string =>
  /^[A-Za-z_][\w ]*\w$/.test(text) && !/^(?:true|false|null|yes|no|on|off|nan|inf)$/i.test(text)
    ? text
    : JSON.stringify(text);
