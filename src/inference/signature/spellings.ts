import { camelCaseOf } from './input-names.js';
import { ownValue } from '../../errors/own-value.js';
import type { Signature } from './types.js';

/** The names by which a row may give the inputs of a signature. */
export interface Spellings {
  /** The names in the manifest. */
  names: ReadonlySet<string>;
  /** The camelCase name of each input whose name differs from it, by the name in the manifest. */
  camelCase: ReadonlyMap<string, string>;
  /** The reverse of `camelCase`. */
  manifestName: ReadonlyMap<string, string>;
}

type Inputs = Pick<Signature, 'inputs'>;
type Row = Readonly<Record<string, unknown>>;

/** Memoized: every row is looked up. */
const known = new WeakMap<Inputs, Spellings>();

/** An input `km_driven` may also be given as `kmDriven`, as in the typed fields of the schema, unless the two are different inputs. */
export function spellingsOf(signature: Inputs): Spellings {
  const memoized = known.get(signature);
  if (memoized) return memoized;
  const names = new Set(signature.inputs.map(({ name }) => name));
  const pairs = [...names].map((name): [string, string] => [name, camelCaseOf(name)]);
  const times = (spelling: string): number => pairs.filter(([, other]) => other === spelling).length;
  const camelCase = new Map(pairs.filter(([, spelling]) => !names.has(spelling) && times(spelling) === 1));
  const spellings = { names, camelCase, manifestName: new Map([...camelCase].map(([name, other]) => [other, name])) };
  known.set(signature, spellings);
  return spellings;
}

/** The value of an input in either spelling; absent and null are equal. */
export function inputValue(row: Row, name: string, { camelCase }: Spellings): unknown {
  const value = ownValue(row, name);
  if (value !== undefined && value !== null) return value;
  const other = camelCase.get(name);
  return other === undefined ? value : (ownValue(row, other) ?? value);
}

/** The spelling in which a row gives an input, for messages: the name in the manifest unless only the other one is there. */
export function givenName(row: Row, name: string, { camelCase }: Spellings): string {
  const other = camelCase.get(name);
  return other !== undefined && !Object.hasOwn(row, name) && Object.hasOwn(row, other) ? other : name;
}

/** A row with the names in the manifest; the row itself if it has only these. */
export function withManifestNames(signature: Inputs, row: Record<string, unknown>): Record<string, unknown> {
  const { manifestName } = spellingsOf(signature);
  const keys = Object.keys(row);
  if (!keys.some((key) => manifestName.has(key))) return row;
  // A null beside the value in the other spelling gives nothing.
  const isGiven = (key: string): boolean => {
    const name = manifestName.get(key);
    if (name !== undefined) return ownValue(row, key) !== null || !Object.hasOwn(row, name);
    return ownValue(row, key) !== null || !keys.some((other) => manifestName.get(other) === key);
  };
  return Object.fromEntries(keys.filter(isGiven).map((key) => [manifestName.get(key) ?? key, ownValue(row, key)]));
}
