import { hash } from 'node:crypto';
import type { CanaryRule } from '../repository/rollout-rules.js';
import type { VersionRuntime } from '../serving/version-runtime.js';
import {
  emptyBlock,
  emptyEvidence,
  mergedPairs,
  reasonToStop,
  withBlock,
  type CanaryBlock,
  type CanaryEvidence,
} from './canary-evidence.js';

/** What decides which version a call gets. */
export interface CanaryCall {
  /** Identifies the caller. */
  caller?: string | undefined;
  /** Reads a header of the request. */
  header?: ((name: string) => string | undefined) | undefined;
}

/** A call that a version computed. */
export interface JudgedCall {
  isFailure: boolean;
  durationMs: number;
}

/** State of a canary in the database. */
export interface CanaryState {
  /** Why it stopped; null while it runs. */
  stopped: string | null;
  /** Its share in percent, as the last step set it; null for the first step. */
  percent: number | null;
  /** How often `restartCanary` was called for the model. */
  restarts: number;
}

/** The next step of a canary. */
export interface CanaryStep {
  from: number;
  to: number;
}

/**
 * Calls of a full block. Small blocks lose evidence: of a number of calls in blocks of n, one in n is lost to the comparison. The
 * first blocks are small, so that a canary that always fails stops after a few calls.
 */
const maxBlockCalls = 32;

/** Without calls of the current version, a block ends after this many calls of the canary. */
const maxCallsAlone = 100;

/** Blocks that wait for the next exchange. Beyond it neighbours are merged. */
const maxBlocks = 1000;

/** A version that serves a share of the calls, and the evidence that decides whether it continues. */
export class Canary {
  /** Calls that no block has yet. */
  #open: CanaryBlock;
  /** Calls after which the open block ends. */
  #openSize = 2;
  /** Blocks since the last exchange. */
  #blocks: CanaryBlock[] = [];
  #evidence: CanaryEvidence = emptyEvidence;

  constructor(
    readonly version: VersionRuntime,
    /** The version that it is compared with. */
    readonly current: VersionRuntime,
    readonly rule: CanaryRule,
    public state: CanaryState,
  ) {
    this.#open = emptyBlock(this.percent);
  }

  /** Its share in percent while it runs. */
  get percent(): number {
    const { steps } = this.rule;
    const stored = this.state.percent ?? 0;
    return steps.findLast((step) => step <= stored) ?? steps[0] ?? 0;
  }

  get evidence(): CanaryEvidence {
    return this.#evidence;
  }

  /** Identifies what the evidence is about: it is dropped if one of them changes. */
  get key(): string {
    const { version, current, rule, state } = this;
    const { maxErrorRate, maxP95Ms } = rule;
    const parts = [version.version.digest, current.version.digest, state.restarts, maxErrorRate, maxP95Ms ?? null];
    return hash('sha256', JSON.stringify(parts), 'hex');
  }

  /** Which version a call gets; null if the call takes no part in the comparison, and gets the current one. */
  roleOf(call: CanaryCall): 'canary' | 'current' | null {
    if (this.state.stopped !== null) return null;
    const place = this.#placeOf(call);
    if (place === null) return null;
    return place * 100 < this.percent ? 'canary' : 'current';
  }

  /** Records a call that a version computed. @returns why the canary stops because of it, or null */
  record(role: 'canary' | 'current', { isFailure, durationMs }: JudgedCall): string | null {
    if (this.state.stopped !== null) return null;
    const { rule, percent } = this;
    if (percent !== this.#open.percent) this.#closeBlock();
    const count = this.#open[role];
    count.calls += 1;
    if (isFailure) count.failures += 1;
    if (role === 'canary' && rule.maxP95Ms !== undefined && durationMs > rule.maxP95Ms) this.#open.slow += 1;
    if (!this.#isFull) return null;
    this.#closeBlock();
    return this.#stop();
  }

  /**
   * Exchanges evidence with the other replicas.
   * @param store passes the stored evidence, or null, to `add`, stores the result, and returns it; all in one transaction
   * @returns why the canary stops because of it, or null
   * @throws the error of `store`; the calls are then sent again with the next exchange
   */
  async exchange(
    store: (add: (stored: CanaryEvidence | null) => CanaryEvidence) => Promise<CanaryEvidence>,
  ): Promise<string | null> {
    // Few calls arrive at this replica: the others get them before the block is full.
    const { canary, current } = this.#open;
    if (canary.calls > 0 && current.calls > 0) this.#closeBlock();
    const sent = this.#blocks.splice(0);
    const adding = (to: CanaryEvidence, blocks: readonly CanaryBlock[]): CanaryEvidence =>
      blocks.reduce<CanaryEvidence>((evidence, block) => withBlock(evidence, block, this.rule), to);
    try {
      const merged = await store((stored) => adding(stored ?? emptyEvidence, sent));
      this.#evidence = adding(merged, this.#blocks);
    } catch (error) {
      this.#blocks.unshift(...sent);
      throw error;
    }
    return this.#stop();
  }

  /** Whether there are calls that other replicas do not know of. */
  get hasNews(): boolean {
    return this.#blocks.length > 0 || (this.#open.canary.calls > 0 && this.#open.current.calls > 0);
  }

  /** The next step, if this one has enough calls. */
  get nextStep(): CanaryStep | null {
    const { percent: from, rule, state } = this;
    const to = rule.steps.find((step) => step > from);
    const { percent, stepCalls } = this.#evidence;
    const isComplete = state.stopped === null && percent === from && stepCalls >= rule.minCalls;
    return to !== undefined && isComplete ? { from, to } : null;
  }

  /** Whether the open block ends. It depends on the numbers of calls only. */
  get #isFull(): boolean {
    const { canary, current } = this.#open;
    if (canary.calls === 0 || canary.calls + current.calls < this.#openSize) return false;
    return current.calls > 0 || canary.calls >= maxCallsAlone;
  }

  #closeBlock(): void {
    const block = this.#open;
    this.#open = emptyBlock(this.percent);
    if (block.canary.calls + block.current.calls === 0) return;
    this.#blocks.push(block);
    if (this.#blocks.length > maxBlocks) this.#blocks = mergedPairs(this.#blocks);
    this.#evidence = withBlock(this.#evidence, block, this.rule);
    this.#openSize = Math.min(maxBlockCalls, 2 + Math.floor(this.#evidence.canary.calls / 4));
  }

  #stop(): string | null {
    if (this.state.stopped !== null) return null;
    const stopped = reasonToStop(this.#evidence, this.rule);
    this.state = { ...this.state, stopped };
    return stopped;
  }

  /** A number from 0 to 1; stable for a caller or a value of the header. */
  #placeOf({ caller, header }: CanaryCall): number | null {
    const { by } = this.rule;
    if (by === 'request') return Math.random();
    const value = by === 'user' ? caller : header?.(by.slice('header:'.length));
    if (value === undefined || value === '') return null;
    return Number.parseInt(hash('sha256', `${this.version.model} ${value}`, 'hex').slice(0, 8), 16) / 2 ** 32;
  }
}
