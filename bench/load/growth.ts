/**
 * Growth over the last two thirds of the values, by the median of all pairwise slopes (Theil-Sen estimator), which ignores peaks and
 * outliers at the ends.
 */
export function growthOf(values: readonly number[]): number {
  const steady = values.slice(Math.floor(values.length / 3));
  const slopes = steady.flatMap((later, end) =>
    steady.slice(0, end).map((earlier, start) => (later - earlier) / (end - start)),
  );
  return slopes.length === 0 ? 0 : median(slopes) * (steady.length - 1);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}
