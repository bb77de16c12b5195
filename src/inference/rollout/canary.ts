import { hash } from 'node:crypto';
import type { CanaryRule } from '../repository/rollout-rules.js';
import type { VersionRuntime } from '../serving/version-runtime.js';

/** Number of recent calls that a canary is judged by. */
const judgedCalls = 100;

interface JudgedCall {
  isSuccess: boolean;
  durationMs: number;
}

/** A version that serves a share of the callers, with the record that decides whether it continues. */
export class Canary {
  readonly #last: JudgedCall[] = [];

  constructor(
    readonly version: VersionRuntime,
    readonly rule: CanaryRule,
    /** Why it stopped; null while it runs. */
    public stopped: string | null,
  ) {}

  /** Whether the caller belongs to its share; stable while the share is unchanged. Unnamed callers never do. */
  takes(caller: string | undefined): boolean {
    if (this.stopped !== null || caller === undefined) return false;
    const place = Number.parseInt(hash('sha256', `${this.version.model} ${caller}`, 'hex').slice(0, 8), 16) / 2 ** 32;
    return place * 100 < this.rule.percent;
  }

  /** Records a call. @returns why the canary stops because of it, or null */
  judge(call: JudgedCall): string | null {
    if (this.stopped !== null) return null;
    this.#last.push(call);
    if (this.#last.length > judgedCalls) this.#last.shift();
    if (this.#last.length < this.rule.minCalls) return null;
    this.stopped = this.#tooManyFailures() ?? this.#tooSlow();
    return this.stopped;
  }

  #tooManyFailures(): string | null {
    const failures = this.#last.filter(({ isSuccess }) => !isSuccess).length;
    if (failures / this.#last.length <= this.rule.maxErrorRate) return null;
    return `${failures} of the last ${this.#last.length} calls failed; max_error_rate is ${this.rule.maxErrorRate}`;
  }

  #tooSlow(): string | null {
    const { maxP95Ms } = this.rule;
    if (maxP95Ms === undefined) return null;
    const sorted = this.#last.map(({ durationMs }) => durationMs).sort((one, other) => one - other);
    const p95 = sorted[Math.ceil(0.95 * sorted.length) - 1] ?? 0;
    return p95 <= maxP95Ms ? null : `one call in twenty took ${p95.toFixed(1)} ms or more; max_p95_ms is ${maxP95Ms}`;
  }
}
