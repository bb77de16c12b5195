import { secretFileVariables, variableNames } from './schema.js';

type Environment = Readonly<Record<string, string | undefined>>;

const known: readonly string[] = [...variableNames, ...secretFileVariables];
const knownSet = new Set(known);

/** The first two words of a known name of three words and more, such as `RATE_LIMIT_`: no other program uses these. */
const prefixes: readonly string[] = [
  'AUSPEX_',
  ...new Set(known.flatMap((name) => /^[A-Z]+_[A-Z]+_(?=[A-Z])/.exec(name)?.[0] ?? [])),
];

/** Kubernetes sets variables such as `AUSPEX_SERVICE_HOST` and `AUSPEX_PORT_4000_TCP_ADDR` for a service named auspex. */
const ofKubernetes = /_(?:SERVICE_(?:HOST|PORT)(?:_\w+)?|PORT(?:_\d+_\w+)?)$/;

const maxReported = 20;
const maxNameLength = 100;

/**
 * Names the variables that are probably meant for the gateway and that it does not know: names close to a known one, or with a
 * prefix that only the gateway uses. Variables of other programs are not reported, and values never.
 * @returns one sentence for each, such as `DATABSE_URL is unknown; did you mean DATABASE_URL?`
 */
export function unknownVariables(env: Environment): string[] {
  return Object.keys(env)
    .filter((name) => !knownSet.has(name) && name.length <= maxNameLength && !ofKubernetes.test(name))
    .flatMap((name) => {
      const meant = nearestTo(name.toUpperCase().replaceAll('-', '_'));
      if (meant !== null) return `${name} is unknown; did you mean ${meant}?`;
      return prefixes.some((prefix) => name.startsWith(prefix)) ? `${name} is unknown; see docs/configuration.md` : [];
    })
    .slice(0, maxReported);
}

/** The known name that was probably meant; null if none is close. */
function nearestTo(name: string): string | null {
  const unprefixed = name.replace(/^AUSPEX_/, '');
  if (knownSet.has(unprefixed)) return unprefixed;
  let nearest: { name: string; edits: number } | null = null;
  for (const candidate of known) {
    // In a short name one edit makes another word.
    const allowed = Math.min(candidate.length, name.length) < 8 ? 1 : 2;
    const edits = Math.abs(candidate.length - name.length) > allowed ? Infinity : editsBetween(name, candidate);
    if (edits <= allowed && edits < (nearest?.edits ?? Infinity)) nearest = { name: candidate, edits };
  }
  return nearest?.name ?? null;
}

/** Number of inserted, deleted, replaced and swapped letters (optimal string alignment distance). */
function editsBetween(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_none, column) => column);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const isEqual = one[row - 1] === other[column - 1];
      const isSwapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current[column] = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (isEqual ? 0 : 1),
        isSwapped ? at(beforeLast, column - 2) + 1 : Infinity,
      );
    }
    [beforeLast, last] = [last, current];
  }
  return at(last, other.length);
}

const at = (distances: readonly number[], column: number): number => distances[column] ?? Infinity;
