import { attributesOf, nodesOf, type GraphNode } from './graph-nodes.ts';

/** What the operators of a graph say about its values. */
export interface KnownValues {
  /** The categories of text inputs that an encoder reads, by the name of the input. */
  categories: ReadonlyMap<string, string[]>;
  /** The classes of the classifier, in the order of its probabilities; null if there is none, or several that differ. */
  classes: string[] | null;
}

/** Attributes with the categories that an encoder knows. */
const categoryAttributes = ['cats_strings', 'keys_strings'];

/** Attributes with the classes of a classifier. */
const classAttributes = ['classlabels_strings', 'classlabels_int64s', 'classlabels_ints'];

/** Larger lists are no list of categories or classes to show to people. */
const maxValues = 1000;

/**
 * Reads the categories of encoders and the classes of classifiers, which the signature of a graph does not contain.
 * @throws Error if the bytes are no ONNX graph
 */
export function knownValuesOf(model: Uint8Array): KnownValues {
  const categories = new Map<string, string[]>();
  const classes = new Map<string, string[]>();
  for (const node of nodesOf(model)) {
    const [input] = node.inputs;
    const known = listIn(node, categoryAttributes);
    if (known && input !== undefined) categories.set(input, known);
    const labels = listIn(node, classAttributes);
    if (labels?.every(isListable) === true) classes.set(JSON.stringify(labels), labels);
  }
  return { categories, classes: classes.size === 1 ? ([...classes.values()][0] ?? null) : null };
}

/** Whether a manifest may list a value. */
export const isListable = (value: string): boolean => value !== '' && value.length <= 200;

/** The first of the attributes that has distinct values; null if there is none. */
function listIn(node: GraphNode, names: readonly string[]): string[] | null {
  const lists = attributesOf(node, names);
  return (
    lists.find((list) => list.length > 0 && list.length <= maxValues && new Set(list).size === list.length) ?? null
  );
}
