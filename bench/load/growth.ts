/**
 * By how much the values grow over the last two thirds, by the median of the slopes between any two of them (Theil and Sen):
 * single peaks, and where the first and the last happen to lie, do not matter.
 */
export function growthOf(values: readonly number[]): number {
  const counted = values.slice(Math.floor(values.length / 3));
  const slopes = counted.flatMap((later, place) => counted.slice(0, place).map((earlier, before) => (later - earlier) / (place - before)));
  return slopes.length === 0 ? 0 : median(slopes) * (counted.length - 1);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}
