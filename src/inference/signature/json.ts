/** Whether a value is a JSON object; its prototype may be null or of another realm. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Flattens lists of the given depth. */
export function elementsOf(value: unknown, depth: number): unknown[] {
  return (value as unknown[]).flat(depth - 1);
}

/** The shape of nested lists, by the first element of each; shorter than `rowShape` if there are fewer lists. */
export function shapeOfLists(value: unknown, rowShape: readonly (number | null)[]): number[] {
  const shape: number[] = [];
  let list = value;
  while (shape.length < rowShape.length && Array.isArray(list)) {
    shape.push(list.length);
    list = list[0] as unknown;
  }
  return shape;
}
