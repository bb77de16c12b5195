import type { GraphValue } from '../onnx/backend.js';
import {
  ModelRepositoryError,
  type Manifest,
  type ManifestField,
  type ManifestInput,
  type ManifestOutput,
} from '../repository/model-manifest.js';
import { planPreprocessing, type PreprocessingPlan, type Preprocessor } from '../preprocessing/preprocessor.js';
import { tensorTypes, type Tensors, type TensorType } from '../onnx/tensor.js';
import { elementTypes } from './element-types.js';
import { ownValue } from '../../errors/own-value.js';
import {
  defaultMaxRowBytes,
  sizeOf,
  type FieldType,
  type InputField,
  type ModelField,
  type OutputField,
  type Signature,
} from './types.js';

/**
 * Combines the graph and the manifest. The shapes of outputs are as the graph declares them; see `withActualOutputs`.
 * @param label the version in messages: `iris/1`
 * @param maxRowBytes maximum bytes of the value of one input or output in one row
 * @param files contents of the tokenizers by their names
 * @throws ModelRepositoryError with every field on which the two disagree
 */
export function createSignature(
  label: string,
  graph: { inputs: GraphValue[]; outputs: GraphValue[] },
  manifest: Pick<Manifest, 'inputs' | 'outputs'>,
  maxRowBytes = defaultMaxRowBytes,
  files: ReadonlyMap<string, string> = new Map(),
): Signature {
  const unprocessable: string[] = [];
  const plan = planPreprocessing(graph.inputs, manifest.inputs, (input, problem) =>
    unprocessable.push(`${label}: input ${input} ${problem}`),
  );
  if (unprocessable.length > 0) throw new ModelRepositoryError(unprocessable);
  const described = plan?.graphInputs ?? manifest.inputs;
  const problems = [
    ...unmatched(`${label}: input`, graph.inputs, described),
    ...unmatched(`${label}: output`, graph.outputs, manifest.outputs),
  ];
  const tensors = graph.inputs.flatMap((declared) => {
    const reported = ownValue(described, declared.name);
    const value = { ...declared, shape: plan?.shapes.get(declared.name) ?? declared.shape };
    return reported
      ? inputField(value, reported, maxRowBytes, (problem) => problems.push(`${label}: input ${value.name} ${problem}`))
      : [];
  });
  const outputs = graph.outputs.flatMap((value) => {
    const reported = ownValue(manifest.outputs, value.name);
    return reported
      ? outputField(value, reported, (problem) => problems.push(`${label}: output ${value.name} ${problem}`))
      : [];
  });
  if (problems.length > 0) throw new ModelRepositoryError(problems);
  if (!plan) return { inputs: tensors, outputs, maxRowBytes };
  const preprocessor = openedBy(plan, label, files);
  return { inputs: plan.callerInputs(tensors), tensors, preprocessor, outputs, maxRowBytes };
}

function openedBy(plan: PreprocessingPlan, label: string, files: ReadonlyMap<string, string>): Preprocessor {
  try {
    return plan.open(files);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ModelRepositoryError([`${label}: a tokenizer cannot be used: ${reason.slice(0, 300)}`]);
  }
}

function unmatched(what: string, graph: readonly GraphValue[], manifest: Record<string, unknown>): string[] {
  const inGraph = graph.map(({ name }) => name);
  return [
    ...inGraph
      .filter((name) => !Object.hasOwn(manifest, name))
      .map((name) => `${what} ${name} of the graph is not in the manifest; describe it there`),
    ...Object.keys(manifest)
      .filter((name) => !inGraph.includes(name))
      .map((name) => `${what} ${name} of the manifest is not in the graph, which has ${inGraph.join(', ')}`),
  ];
}

type Report = (problem: string) => void;

function inputField(value: GraphValue, reported: ManifestInput, maxRowBytes: number, report: Report): InputField[] {
  const tensorType = servedType(value, report);
  if (!tensorType) return [];
  const { field: elementField, bytes: elementBytes, canBeMissing } = elementTypes[tensorType];
  const [rows] = value.shape;
  if (rows === undefined) {
    report('has no dimension; the first must be the number of rows: export it with the shape [N] or [N, ...]');
  } else if (rows !== null) {
    report(
      `has the shape ${shapeText(value.shape)}; the first dimension is the number of rows: export it free for all inputs, or fixed to the same number for all`,
    );
  }
  const isNumber = tensorType !== 'string' && tensorType !== 'bool';
  const rowShape = rowShapeOf(value);
  if (rowShape.includes(0)) report(`has the shape ${shapeText(value.shape)}, which holds no value`);
  const bytes = sizeOf(rowShape.map((size) => size ?? 1)) * elementBytes;
  if (bytes > maxRowBytes)
    report(`has ${bytes} bytes for each row; raise serving.max_row_bytes, which is ${maxRowBytes}`);
  if (rowShape.length > 0 && !reported.required)
    report('takes lists, which have no sign for a missing value; set required: true');
  if (reported.nullable_elements === true && (rowShape.length === 0 || elementField !== 'float'))
    report('is no list of floats; nullable_elements is for those');
  if (reported.max_length !== undefined && tensorType !== 'string')
    report(`is ${elementField}; max_length is for strings`);
  if (!isNumber && (reported.integer || reported.minimum !== undefined || reported.maximum !== undefined)) {
    report(`is ${elementField}; integer, minimum and maximum are for numbers`);
  }
  if (!isNumber && tensorType === 'bool' && reported.values) report('is boolean; it needs no list of values');
  else if (!reported.required && !canBeMissing)
    report(`is ${tensorType}, which has no sign for a missing value; set required: true`);
  const type = isNumber && reported.integer ? 'integer' : elementField;
  return [
    {
      ...describedField(value, reported, type),
      required: reported.required,
      tensorType,
      rowShape,
      ...(rowShape.includes(null) ? { symbols: value.symbols?.slice(1) ?? [] } : {}),
      isClosed: reported.closed,
      ...(reported.nullable_elements === true ? { hasNullableElements: true } : {}),
      ...(reported.max_length === undefined ? {} : { maxLength: reported.max_length }),
      ...(reported.minimum === undefined ? {} : { minimum: reported.minimum }),
      ...(reported.maximum === undefined ? {} : { maximum: reported.maximum }),
    },
  ];
}

function outputField(value: GraphValue, reported: ManifestOutput, report: Report): OutputField[] {
  const tensorType = servedType(value, report);
  if (!tensorType) return [];
  const labels = reported.labels ?? value.labels;
  if (labels && reported.values) report('has both values and labels; a vector has labels, a single value has values');
  return [
    {
      ...describedField(value, { ...reported, values: labels ?? reported.values }, elementTypes[tensorType].field),
      required: true,
      tensorType,
      rowShape: labels ? [labels.length] : rowShapeOf(value),
      labels: labels ?? null,
      ...(reported.tolerance === undefined ? {} : { tolerance: reported.tolerance }),
    },
  ];
}

/**
 * The signature with the shapes that the graph returns: those that it declares are hints, and exporters get them wrong.
 * @param runs outputs of the graph for several numbers of rows
 * @throws ModelRepositoryError for outputs that are not one value per row
 */
export function withActualOutputs(
  label: string,
  signature: Signature,
  runs: readonly { rows: number; outputs: Tensors }[],
): Signature {
  const problems: string[] = [];
  const outputs = signature.outputs.map((output) => {
    const report: Report = (problem) => problems.push(`${label}: output ${output.name} ${problem}`);
    const shapes = runs.map(({ outputs }) => ownValue(outputs, output.name)?.dims ?? []);
    for (const [index, { rows }] of runs.entries()) {
      const shape = shapes[index] ?? [];
      if (shape[0] === rows) continue;
      const many = `${rows} ${rows === 1 ? 'row' : 'rows'}`;
      report(
        `has the shape [${shape.join(', ')}] for ${many}; the first dimension must be the number of rows: transpose it in the export, or leave it out`,
      );
      return output;
    }
    const [first = []] = shapes;
    const shape = first.map((size, axis) => {
      const isFixed = axis > 0 && shapes.every((other) => other[axis] === size) && output.shape[axis] !== null;
      return isFixed ? size : null;
    });
    if (output.labels) {
      if (shape.length !== 2) report(`has labels, but is no vector: its shape is ${shapeText(shape)}`);
      else if (first[1] !== output.labels.length)
        report(`has ${output.labels.length} labels for ${first[1] ?? 0} elements`);
      return { ...output, shape };
    }
    return { ...output, shape, rowShape: rowShapeOf({ shape }) };
  });
  if (problems.length > 0) throw new ModelRepositoryError(problems);
  return { ...signature, outputs };
}

/** [N] and [N, 1] are scalars. */
function rowShapeOf({ shape }: Pick<GraphValue, 'shape'>): (number | null)[] {
  const rowShape = shape.slice(1);
  return rowShape.length === 1 && rowShape[0] === 1 ? [] : rowShape;
}

function describedField(
  { name, shape }: GraphValue,
  { description, unit, values }: ManifestField,
  type: FieldType,
): ModelField {
  return {
    name,
    type,
    shape,
    required: true,
    ...(description === undefined ? {} : { description }),
    ...(unit === undefined ? {} : { unit }),
    ...(values === undefined ? {} : { values }),
  };
}

function servedType({ type, operator }: GraphValue, report: Report): TensorType | undefined {
  const served = tensorTypes.find((known) => known === type);
  if (type === null) report(`is no tensor${nonTensorAdvice(operator)}`);
  else if (!served) report(`has the type ${type}; served are ${tensorTypes.join(', ')}`);
  return served;
}

/** What to do about a sequence, map or optional value that `adaptGraph` left. */
function nonTensorAdvice(operator: string | undefined): string {
  if (operator === 'ZipMap') return '; export the model without ZipMap: options={"zipmap": False}';
  return `${operator === undefined ? '' : ` but comes from ${operator}`}; export the model with tensors only`;
}

function shapeText(shape: readonly (number | null)[]): string {
  return `[${shape.map((size, index) => size ?? (index === 0 ? 'N' : '?')).join(', ')}]`;
}
