import { ownValue } from '../../errors/own-value.js';
import { areEqual, forEachPair } from '../signature/compare.js';
import type { OutputField } from '../signature/types.js';
import { QuantileSketch } from '../../telemetry/quantile-sketch.js';
import type { ShadowOutput } from '../serving/model.js';

type Output = Readonly<Record<string, unknown>>;

/** Outputs with statistics, so that memory and metrics are bounded. */
const maxOutputs = 50;

/** A difference is relative to the value of the current version, and to this share of its mean magnitude at least. */
const floorShare = 0.01;

/** Differences of one output. */
class OutputDifferences {
  readonly absolute = new QuantileSketch();
  readonly relative = new QuantileSketch();
  #magnitudes = 0;
  #labelled = 0;
  #agreeing = 0;

  /** @returns the relative difference */
  addValue(current: number, shadow: number): number {
    const magnitude = Math.abs(current);
    this.#magnitudes += magnitude;
    const absolute = Math.abs(shadow - current);
    this.absolute.observe(absolute);
    // Without a floor, the difference of two tiny numbers, such as probabilities, would look like a large one.
    const floor = (floorShare * this.#magnitudes) / this.absolute.count;
    const base = Math.max(magnitude, floor);
    const relative = base === 0 ? Math.sign(absolute) : absolute / base;
    this.relative.observe(relative);
    return relative;
  }

  addLabel(isAgreeing: boolean): void {
    this.#labelled += 1;
    if (isAgreeing) this.#agreeing += 1;
  }

  view(name: string): ShadowOutput {
    return {
      name,
      meanAbsoluteDifference: this.absolute.mean,
      p95AbsoluteDifference: this.absolute.quantile(0.95),
      meanRelativeDifference: this.relative.mean,
      p95RelativeDifference: this.relative.quantile(0.95),
      labelAgreement: this.#labelled === 0 ? null : this.#agreeing / this.#labelled,
    };
  }
}

/** How the results of a shadow differ from those of the current version. */
export class ShadowDifferences {
  rows = 0;
  /** Rows that differ: in a string, integer or boolean, or in a float by more than the tolerance of the manifest. */
  differences = 0;
  /** The largest relative difference of a float, at most 1. */
  largest = 0;
  /** Values that were compared. */
  values = 0;
  readonly #outputs: ReadonlyMap<string, OutputDifferences>;

  constructor(private readonly fields: readonly OutputField[]) {
    this.#outputs = new Map(fields.slice(0, maxOutputs).map(({ name }) => [name, new OutputDifferences()]));
  }

  get outputs(): ShadowOutput[] {
    return [...this.#outputs].map(([name, differences]) => differences.view(name));
  }

  /** Counts a row without a result of the shadow. */
  addMissing(): void {
    this.rows += 1;
    this.differences += 1;
  }

  add(current: Output, shadow: Output): void {
    this.rows += 1;
    /** Whether the exact values of an output are equal, by its name. */
    const agreements = new Map<string, boolean>();
    let unequal = 0;
    forEachPair(this.fields, current, shadow, (pair, [output]) => {
      this.values += 1;
      const name = String(output);
      const isEqual = areEqual(pair);
      if (!isEqual) unequal += 1;
      if (pair.kind === 'exact') agreements.set(name, isEqual && (agreements.get(name) ?? true));
      else {
        const relative = this.#outputs.get(name)?.addValue(pair.one, pair.other) ?? 0;
        this.largest = Math.max(this.largest, Math.min(1, relative));
      }
      return true;
    });
    for (const { name, labels, type } of this.fields) {
      const [one, other] = [ownValue(current, name), ownValue(shadow, name)];
      if (labels && type === 'float') agreements.set(name, largestLabel(one) === largestLabel(other));
    }
    for (const [name, isAgreeing] of agreements) this.#outputs.get(name)?.addLabel(isAgreeing);
    if (unequal > 0) this.differences += 1;
  }
}

/** The label with the largest value, such as the most probable class. */
function largestLabel(values: unknown): string | null {
  if (typeof values !== 'object' || values === null) return null;
  let label: string | null = null;
  let largest = -Infinity;
  for (const [name, value] of Object.entries(values)) {
    if (typeof value !== 'number' || value <= largest) continue;
    label = name;
    largest = value;
  }
  return label;
}
