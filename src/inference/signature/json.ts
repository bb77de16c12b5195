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
