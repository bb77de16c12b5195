import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ShadowRule } from '../repository/rollout-rules.js';
import { countError, countResults } from '../serving/call-outcome.js';
import type { Shadow as ShadowView } from '../serving/model.js';
import type { Outcome } from '../serving/request-coalescing.js';
import type { VersionRuntime } from '../serving/version-runtime.js';
import { encodeInputs } from '../preprocessing/encode-input.js';
import { validateRows } from '../signature/validation.js';
import { ShadowDifferences } from './shadow-differences.js';

/** Maximum concurrent comparisons; further calls are not sampled. */
const maxPending = 4;

/** Values that are compared in one turn of the event loop. */
const valuesPerTurn = 10_000;

/** A row with the result of the current version. */
interface ResultRow {
  input: Record<string, unknown>;
  output: Record<string, unknown>;
}

/** A version that runs on a sample of the calls in the background, with a record of its differences. */
export class Shadow {
  readonly #differences: ShadowDifferences;
  #pending = 0;
  #failures = 0;

  constructor(
    readonly version: VersionRuntime,
    /** The version that it is compared with. */
    readonly current: VersionRuntime,
    public rule: ShadowRule,
  ) {
    this.#differences = new ShadowDifferences(version.signature.outputs);
  }

  get view(): ShadowView {
    const { rows, differences, largest, outputs } = this.#differences;
    return { ...this.rule, rows, differences, largestDifference: largest, failures: this.#failures, outputs };
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
    const { signature } = this.version;
    const inputs = rows.map(({ input }) => input);
    if (validateRows(signature, inputs).length > 0) {
      this.#failures += 1;
      return;
    }
    const encoded = await encodeInputs(signature, inputs);
    const keyed = rows.flatMap(({ output }, index) => {
      const one = encoded[index];
      return one?.kind === 'ok' ? [{ key: this.version.keyOf(one.row), row: one.row, output }] : [];
    });
    if (keyed.length < rows.length) {
      this.#failures += 1;
      return;
    }
    const outcomes = await this.#run(keyed);
    if (!outcomes) return;
    let turn = 0;
    for (const [index, { output }] of keyed.entries()) {
      const result = outcomes[index]?.result;
      if (result?.kind === 'ok') this.#differences.add(output, result.output);
      else this.#differences.addMissing();
      if (this.#differences.values - turn < valuesPerTurn) continue;
      await nextTurn();
      turn = this.#differences.values;
    }
  }

  /** @returns null if the shadow failed */
  async #run(rows: Parameters<VersionRuntime['predict']>[0]): Promise<readonly Outcome[] | null> {
    const { counters, serving } = this.version;
    const { deadlineMs } = serving;
    const startedAt = performance.now();
    const durationMs = (): number => performance.now() - startedAt;
    try {
      const outcomes = await this.version.predict(rows, { deadlineMs });
      const { kind } = countResults(counters, outcomes, { durationMs: durationMs(), deadlineMs });
      if (kind === 'failure') this.#failures += 1;
      return outcomes;
    } catch (error) {
      countError(counters, error, durationMs());
      this.#failures += 1;
      return null;
    }
  }
}
