/** Longer names are no misspellings, and the comparison takes quadratic time. */
const maxSuggestedLength = 100;

const maxEdits = 2;

/** Suggests the closest known name within two edits. */
export function suggestion(name: string, known: readonly string[]): string {
  if (name.length > maxSuggestedLength) return '';
  const letters = lettersOf(name);
  const [nearest] = known
    .map((candidate) => ({ candidate, letters: lettersOf(candidate) }))
    .filter((other) => Math.abs(other.letters.length - letters.length) <= maxEdits)
    .map((other) => ({ candidate: other.candidate, distance: editDistance(letters, other.letters) }))
    .filter(({ candidate, distance }) => distance <= Math.min(maxEdits, candidate.length / 3))
    .sort((a, b) => a.distance - b.distance);
  return nearest ? `; did you mean ${nearest.candidate}?` : '';
}

function lettersOf(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [row, letter] of [...a].entries()) {
    const current = [row + 1];
    for (const [column, other] of [...b].entries()) {
      const exchanged = (previous[column] ?? 0) + (letter === other ? 0 : 1);
      current.push(Math.min(exchanged, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
