/** Looks up a name in a record without what it inherits: a caller may choose `constructor`. @returns undefined if it is absent */
export function ownValue<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  // eslint-disable-next-line auspex/own-names -- the one lookup that is checked first
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** Sets a name in a record, also `__proto__`, which an assignment would give to its prototype. */
export function setOwn<Value>(record: Record<string, Value>, name: string, value: Value): void {
  if (name === '__proto__')
    Object.defineProperty(record, name, { value, writable: true, enumerable: true, configurable: true });
  // eslint-disable-next-line auspex/own-names -- the one assignment that is checked first
  else record[name] = value;
}
