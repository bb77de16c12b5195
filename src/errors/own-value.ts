/** Looks up a name in a record without what it inherits: a caller may choose `constructor`. @returns undefined if it is absent */
export function ownValue<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  // eslint-disable-next-line auspex/own-names -- the one lookup that is checked first
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
