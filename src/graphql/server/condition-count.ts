import { Kind, type ValueNode } from 'graphql';

/** The variables of an operation. */
interface Variables {
  /** @returns the value as JSON; undefined if it is absent */
  variable(name: string): unknown;
}

/** Objects and lists within each other that are counted; filters with more levels are rejected later. */
const maxLevels = 32;

/**
 * Counts the conditions on columns of a filter, such as `{ age: { gt: 3 } }`, each of which costs as much as an object. A field of the
 * filter itself, such as `minAge`, is older than this cost and has none.
 */
export const conditionCount = (filter: ValueNode, variables: Variables): number => ofLiteral(filter, variables, 0, 0);

/**
 * @param depth objects around the value
 * @param level objects and lists around it
 */
function ofLiteral(node: ValueNode, variables: Variables, depth: number, level: number): number {
  if (node.kind === Kind.VARIABLE) return ofJson(variables.variable(node.name.value), depth, level);
  if (level > maxLevels) return 0;
  if (node.kind === Kind.OBJECT)
    return sum(node.fields.map(({ value }) => ofLiteral(value, variables, depth + 1, level + 1)));
  const hasObjects = node.kind === Kind.LIST && node.values.some(({ kind }) => kind === Kind.OBJECT);
  return hasObjects ? sum(node.values.map((value) => ofLiteral(value, variables, depth, level + 1))) : ofLeaf(depth);
}

function ofJson(value: unknown, depth: number, level: number): number {
  if (level > maxLevels) return 0;
  if (!isObject(value)) return ofLeaf(depth);
  if (!Array.isArray(value)) return sum(Object.values(value).map((one) => ofJson(one, depth + 1, level + 1)));
  return value.some(isObject) ? sum(value.map((one) => ofJson(one, depth, level + 1))) : ofLeaf(depth);
}

/** A value, or a list of values for `in`. */
const ofLeaf = (depth: number): number => (depth > 1 ? 1 : 0);

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
