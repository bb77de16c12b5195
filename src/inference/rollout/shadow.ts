import type { ShadowRule } from '../repository/rollout-rules.js';
import type { Shadow as ShadowView } from '../serving/model.js';
import type { VersionRuntime } from '../serving/version-runtime.js';
import { encodeRow } from '../signature/encode.js';
import { validateRows } from '../signature/validation.js';

/** Relative tolerance within which numbers are equal. */
const tolerance = 1e-3;

/** Maximum concurrent comparisons; further calls are not sampled. */
const maxPending = 4;

/** A row with the result of the current version. */
interface ResultRow {
  input: Record<string, unknown>;
  output: Record<string, unknown>;
}

/** A version that runs on a sample of the calls in the background, with a record of its differences. */
export class Shadow {
  #pending = 0;
  #rows = 0;
  #differences = 0;
  #largestDifference = 0;
  #failures = 0;

  constructor(
    readonly version: VersionRuntime,
    public rule: ShadowRule,
  ) {}

  get view(): ShadowView {
    return {
      ...this.rule,
      rows: this.#rows,
      differences: this.#differences,
      largestDifference: this.#largestDifference,
      failures: this.#failures,
    };
  }

  /** Runs the shadow on the call if it is sampled. Returns at once; failures are only counted. */
  compare(rows: readonly ResultRow[]): void {
    if (this.#pending >= maxPending || Math.random() * 100 >= this.rule.percent) return;
    this.#pending += 1;
    setImmediate(() => {
      void this.version.using(() => this.#compare(rows)).finally(() => (this.#pending -= 1));
    });
  }

  async #compare(rows: readonly ResultRow[]): Promise<void> {
    const { version } = this;
    const { counters, signature, serving } = version;
    try {
      if (
        validateRows(
          signature,
          rows.map(({ input }) => input),
        ).length > 0
      )
        throw new Error('The rows are invalid for the shadow.');
      const keyed = rows.map(({ input, output }) => {
        const row = encodeRow(signature, input);
        return { key: version.keyOf(row), row, output };
      });
      const outcomes = await version.predict(new Map(keyed.map(({ key, row }) => [key, row])), {
        deadlineMs: serving.deadlineMs,
      });
      counters.successes += 1;
      for (const { key, output } of keyed) {
        const response = outcomes.get(key)?.result;
        this.#note(response?.kind === 'ok' ? difference(response.output, output) : 1);
      }
    } catch {
      this.#failures += 1;
      counters.failures += 1;
    }
  }

  #note(difference: number): void {
    this.#rows += 1;
    if (difference > tolerance) this.#differences += 1;
    this.#largestDifference = Math.max(this.#largestDifference, difference);
  }
}

/** The largest relative difference of numbers, 0 to 1; 1 if anything else differs. */
function difference(one: unknown, other: unknown): number {
  if (typeof one === 'number' && typeof other === 'number') {
    return one === other ? 0 : Math.min(1, Math.abs(one - other) / Math.max(Math.abs(one), Math.abs(other)));
  }
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null)
    return one === other ? 0 : 1;
  const others = new Map(Object.entries(other));
  const entries = Object.entries(one);
  if (entries.length !== others.size || entries.some(([name]) => !others.has(name))) return 1;
  return Math.max(0, ...entries.map(([name, value]) => difference(value, others.get(name))));
}
