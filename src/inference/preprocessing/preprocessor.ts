import type { Manifest, ManifestInput } from '../repository/model-manifest.js';
import type { GraphValue } from '../onnx/backend.js';
import { ownValue } from '../../errors/own-value.js';
import type { InputField } from '../signature/types.js';
import { PreparedTensor } from '../signature/prepared-tensor.js';
import { base64Length, describeImage, InvalidImage, readImage } from './image-file.js';
import { imageTensor, type ImageShape } from './image-tensor.js';
import type { ImageSettings, TokenizerSettings } from './settings.js';
import { openTokenizer } from './text-tokens.js';

/** A row for the graph, made of a row of a caller. */
type PreprocessedRow =
  | {
      kind: 'ok';
      /** By the names of the graph's inputs; lists may be flat. */
      tensors: Record<string, unknown>;
      /** The row of the caller with descriptions in place of images. */
      shown: Record<string, unknown>;
    }
  | { kind: 'invalid'; field: string; message: string };

/** What the images of one call may still cost. */
export interface PixelBudget {
  pixels: number;
}

/** Turns rows of callers into rows for a graph. */
export interface Preprocessor {
  /** @param row a valid row with the names in the manifest */
  apply(row: Record<string, unknown>, budget: PixelBudget): Promise<PreprocessedRow>;
}

/** The inputs of a version whose manifest has preprocessing. */
export interface PreprocessingPlan {
  /** What the graph takes, for the signature of its tensors. */
  graphInputs: Record<string, ManifestInput>;
  /** Sizes of dimensions that the graph leaves free, by the name of the graph's input. */
  shapes: ReadonlyMap<string, (number | null)[]>;
  /** The inputs that callers give, from those of the tensors. */
  callerInputs(tensors: readonly InputField[]): InputField[];
  /** @param files contents of the tokenizers by their names */
  open(files: ReadonlyMap<string, string>): Preprocessor;
}

/** One entry of `preprocess`: from an input of callers to inputs of the graph. */
interface Step {
  input: string;
  reported: ManifestInput;
  targets: string[];
  field: InputField;
  shapes: Map<string, (number | null)[]>;
  open: (files: ReadonlyMap<string, string>) => (value: string, budget: PixelBudget) => Promise<StepResult>;
}

type StepResult = { kind: 'ok'; tensors: [string, unknown][]; shown: string } | { kind: 'invalid'; message: string };

const plain: ManifestInput = { required: true, integer: false, closed: false };

/** The names of the tokenizer files that a manifest uses. */
export function tokenizerFilesOf({ inputs }: Pick<Manifest, 'inputs'>): string[] {
  const settings = Object.values(inputs).map(({ preprocess }) => preprocess);
  return [...new Set(settings.flatMap((one) => (one?.kind === 'tokenizer' ? [one.file] : [])))];
}

/**
 * Plans the preprocessing of a version; null if the manifest has none.
 * @param report called with each problem: an input and what is wrong with it
 */
export function planPreprocessing(
  graph: readonly GraphValue[],
  inputs: Manifest['inputs'],
  report: (input: string, problem: string) => void,
): PreprocessingPlan | null {
  const steps = Object.entries(inputs).flatMap(([input, reported]) => {
    const complain = (problem: string): void => report(input, problem);
    if (reported.preprocess?.kind === 'image') return imageStep(input, reported, reported.preprocess, graph, complain);
    if (reported.preprocess?.kind === 'tokenizer')
      return tokenizerStep(input, reported, reported.preprocess, graph, complain);
    return [];
  });
  if (!Object.values(inputs).some(({ preprocess }) => preprocess)) return null;
  const targets = steps.flatMap((step) => step.targets);
  for (const { input, targets: own } of steps)
    if (own.some((name) => targets.indexOf(name) !== targets.lastIndexOf(name)))
      report(input, 'writes an input of the graph that another input writes too');
  for (const { input, reported, targets: own } of steps)
    if (!reported.required && !own.some((name) => isDirect(inputs, name)))
      report(input, 'has preprocessing, which has no sign for a missing value; set required: true');
  const direct = Object.entries(inputs).filter(([, { preprocess }]) => !preprocess);
  return {
    graphInputs: Object.fromEntries([...targets.map((name) => [name, plain] as const), ...direct]),
    shapes: new Map(steps.flatMap(({ shapes }) => [...shapes])),
    callerInputs: (tensors) =>
      Object.keys(inputs).flatMap((name) => {
        const step = steps.find(({ input }) => input === name);
        const field = step?.field ?? tensors.find((tensor) => tensor.name === name);
        if (!field) return [];
        const hasAlternative = step ? step.targets.some((target) => isDirect(inputs, target)) : targets.includes(name);
        return [{ ...field, required: field.required && !hasAlternative }];
      }),
    open: (files) => openPreprocessor(steps, inputs, files),
  };
}

const isDirect = (inputs: Manifest['inputs'], name: string): boolean => {
  const reported = ownValue(inputs, name);
  return reported !== undefined && !reported.preprocess;
};

function openPreprocessor(
  steps: readonly Step[],
  inputs: Manifest['inputs'],
  files: ReadonlyMap<string, string>,
): Preprocessor {
  const opened = steps.map((step) => ({
    input: step.input,
    /** Inputs that callers may give instead. */
    instead: step.targets.filter((target) => isDirect(inputs, target)),
    run: step.open(files),
  }));
  return {
    async apply(row, budget) {
      const tensors = new Map(Object.entries(row));
      const shown = new Map(tensors);
      for (const { input, instead, run } of opened) {
        const value = ownValue(row, input);
        const given = instead.filter((name) => ownValue(row, name) != null);
        if (value != null && given.length > 0)
          return { kind: 'invalid', field: input, message: `is another form of ${given.join(', ')}; send one of them` };
        if (typeof value !== 'string') {
          if (given.length < instead.length)
            return { kind: 'invalid', field: input, message: `is required, unless ${instead.join(' and ')} is given` };
          continue;
        }
        const result = await run(value, budget);
        if (result.kind === 'invalid') return { kind: 'invalid', field: input, message: result.message };
        shown.set(input, result.shown);
        for (const [name, tensor] of result.tensors) tensors.set(name, tensor);
      }
      return { kind: 'ok', tensors: Object.fromEntries(tensors), shown: Object.fromEntries(shown) };
    },
  };
}

type Complain = (problem: string) => void;

function imageStep(
  input: string,
  reported: ManifestInput,
  settings: ImageSettings,
  graph: readonly GraphValue[],
  complain: Complain,
): Step[] {
  const target = settings.to ?? input;
  const value = graph.find(({ name }) => name === target);
  const names = graph.map(({ name }) => name).join(', ');
  if (!value) {
    complain(`is an image for ${target}, which is no input of the graph; set preprocess.to to one of ${names}`);
    return [];
  }
  const found = shapeOfImage(value.shape, settings);
  if (typeof found === 'string') {
    complain(found);
    return [];
  }
  return [
    {
      input,
      reported,
      targets: [target],
      field: { ...callerField(input, reported), maxLength: base64Length(settings.max_bytes), media: 'image' },
      shapes: new Map([[target, found.dims]]),
      open: () => async (text, budget) => {
        try {
          const file = readImage(text, settings);
          budget.pixels -= file.width * file.height;
          if (budget.pixels < 0) return { kind: 'invalid', message: tooManyPixels };
          const tensor = await imageTensor(file, settings, found.shape);
          const shape = found.dims.slice(1).map((size) => size ?? 1);
          return { kind: 'ok', tensors: [[target, new PreparedTensor(shape, tensor)]], shown: describeImage(file) };
        } catch (error) {
          if (error instanceof InvalidImage) return { kind: 'invalid', message: error.message };
          throw error;
        }
      },
    },
  ];
}

const tooManyPixels = 'exceeds the pixels of one call, with the images before it; send fewer or smaller images';

/** The shape of one image in the graph, or what is wrong with it. */
function shapeOfImage(
  dims: readonly (number | null)[],
  { color, layout, width, height }: ImageSettings,
): { shape: ImageShape; dims: (number | null)[] } | string {
  const channels = color === 'rgb' ? 3 : 1;
  const [rows = null, ...inner] = dims;
  const found = layout ?? layoutOf(inner, channels);
  if (found === null)
    return `is an image for the shape [${dims.map((size) => size ?? '?').join(', ')}]; the graph needs [N, ${channels}, height, width], [N, height, width, ${channels}]${channels === 1 ? ' or [N, height, width]' : ''}; set preprocess.color or preprocess.layout`;
  const axes = { nchw: [1, 2], nhwc: [0, 1], nhw: [0, 1] }[found];
  const sides = axes.map((axis, index) => inner[axis] ?? (index === 0 ? height : width) ?? null);
  const [tall = null, wide = null] = sides;
  if (tall === null || wide === null) return 'is an image of free size; set preprocess.width and preprocess.height';
  if ((height ?? tall) !== tall || (width ?? wide) !== wide)
    return `has preprocess.width or height other than the graph, which takes ${wide} x ${tall} pixels`;
  const full = { nchw: [rows, channels, tall, wide], nhwc: [rows, tall, wide, channels], nhw: [rows, tall, wide] }[
    found
  ];
  const fits = full.length === dims.length && full.every((size, axis) => (dims[axis] ?? size) === size);
  if (!fits) return `has the layout ${found} with ${channels} channels, which the graph does not take`;
  return { shape: { width: wide, height: tall, layout: found }, dims: full };
}

function layoutOf(inner: readonly (number | null)[], channels: number): ImageShape['layout'] | null {
  if (inner.length === 2 && channels === 1) return 'nhw';
  if (inner.length !== 3) return null;
  if (inner[0] === channels) return 'nchw';
  return inner[2] === channels ? 'nhwc' : null;
}

function tokenizerStep(
  input: string,
  reported: ManifestInput,
  settings: TokenizerSettings,
  graph: readonly GraphValue[],
  complain: Complain,
): Step[] {
  const parts = ['input_ids', 'attention_mask', 'token_type_ids'] as const;
  const targets = parts.filter((part) => graph.some(({ name }) => name === settings[part]));
  if (!targets.includes('input_ids')) {
    const names = graph.map(({ name }) => name).join(', ');
    complain(`is a text for ${settings.input_ids}, which is no input of the graph; the graph has ${names}`);
    return [];
  }
  const shapes = new Map(
    targets.map((part) => {
      const value = graph.find(({ name }) => name === settings[part]);
      const [rows = null, length = null, ...more] = value?.shape ?? [];
      if (more.length > 0 || (length !== null && length !== settings.max_length))
        complain(
          `has max_length ${settings.max_length}, but ${settings[part]} of the graph takes ${length ?? 'lists'}`,
        );
      return [settings[part], [rows, settings.max_length]] as [string, (number | null)[]];
    }),
  );
  return [
    {
      input,
      reported,
      targets: targets.map((part) => settings[part]),
      field: { ...callerField(input, reported), media: 'text' },
      shapes,
      open: (files) => {
        const tokenizer = openTokenizer(files.get(settings.file) ?? '', settings);
        return (text) => {
          const result = tokenizer.encode(text);
          return Promise.resolve<StepResult>(
            'count' in result
              ? {
                  kind: 'invalid',
                  message: `has ${result.count} tokens; the maximum is ${settings.max_length}; shorten it`,
                }
              : { kind: 'ok', tensors: targets.map((part) => [settings[part], result.tokens[part]]), shown: text },
          );
        };
      },
    },
  ];
}

function callerField(name: string, { description, required, max_length: maxLength }: ManifestInput): InputField {
  return {
    name,
    type: 'string',
    shape: [null],
    required,
    tensorType: 'string',
    rowShape: [],
    isClosed: false,
    ...(description === undefined ? {} : { description }),
    ...(maxLength === undefined ? {} : { maxLength }),
  };
}
