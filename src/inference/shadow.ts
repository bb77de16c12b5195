import type { ShadowRule } from './manifest.js';
import type { Shadow as ShadowView } from './model.js';
import type { ServedVersion } from './served-version.js';
import { encodeRow, validateRows } from './signature.js';

/** What is answered alike: numbers that differ by less, relatively. */
const tolerance = 1e-3;

/** Comparisons at a time; while there are more, calls are left out of the sample. */
const maxPending = 4;

/** A row with the current version's answer to it. */
interface AnsweredRow {
  input: Record<string, unknown>;
  output: Record<string, unknown>;
}

/** A version that answers a sample of the calls as well, when nobody waits for it, and the record of how its answers differ. */
export class Shadow {
  #pending = 0;
  #rows = 0;
  #differences = 0;
  #largestDifference = 0;
  #failures = 0;

  constructor(
    readonly version: ServedVersion,
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

  /** Lets the shadow answer the call as well, if the sample takes it. Returns at once; nothing that goes wrong comes back. */
  compare(rows: readonly AnsweredRow[]): void {
    if (this.#pending >= maxPending || Math.random() * 100 >= this.rule.percent) return;
    this.#pending += 1;
    setImmediate(() => {
      void this.version.using(() => this.#compare(rows)).finally(() => (this.#pending -= 1));
    });
  }

  async #compare(rows: readonly AnsweredRow[]): Promise<void> {
    const { version } = this;
    const { counters, signature, serving } = version;
    try {
      if (validateRows(signature, rows.map(({ input }) => input)).length > 0) throw new Error('The rows do not fit the shadow.');
      const keyed = rows.map(({ input, output }) => {
        const row = encodeRow(signature, input);
        return { key: version.keyOf(row), row, output };
      });
      const outcomes = await version.answer(new Map(keyed.map(({ key, row }) => [key, row])), { deadlineMs: serving.deadlineMs });
      counters.successes += 1;
      for (const { key, output } of keyed) {
        const answer = outcomes.get(key)?.answer;
        this.#note(answer?.kind === 'answered' ? difference(answer.output, output) : 1);
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

/** The largest relative difference of two answers' numbers, 0 to 1; 1 where they differ in anything else. */
export function difference(one: unknown, other: unknown): number {
  if (typeof one === 'number' && typeof other === 'number') {
    return one === other ? 0 : Math.min(1, Math.abs(one - other) / Math.max(Math.abs(one), Math.abs(other)));
  }
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) return one === other ? 0 : 1;
  const others = new Map(Object.entries(other));
  const entries = Object.entries(one);
  if (entries.length !== others.size || entries.some(([name]) => !others.has(name))) return 1;
  return Math.max(0, ...entries.map(([name, value]) => difference(value, others.get(name))));
}
