import { networkOf } from '../auth/network.js';
import type { AuditAction, AuditOutcome } from './audit-event.js';

/** Attempts that one process stores in a window. */
export interface FailureLimits {
  windowMs: number;
  /** Of one network and action. */
  perNetwork: number;
  /** Of all networks; as many networks have a summary. */
  total: number;
}

/** Bounds the table: at most 2 * total + 1 rows per window, however many attempts there are. */
export const defaultFailureLimits: FailureLimits = { windowMs: 600_000, perNetwork: 10, total: 100 };

/** A failed attempt. */
export interface Failure {
  action: AuditAction;
  outcome: AuditOutcome;
  address: string;
}

/** Attempts past the limits, of one network and action, or of all networks past the number of summaries. */
export interface FailureSummary {
  action: AuditAction;
  outcome: AuditOutcome;
  /** Null for attempts of many networks. */
  network: string | null;
  count: number;
  since: Date;
}

/** Decides which failed attempts are stored one by one, and counts the others by network. */
export class FailureBudget {
  readonly #limits: FailureLimits;
  #stored = 0;
  #byNetwork = new Map<string, number>();
  #summaries = new Map<string, FailureSummary>();

  constructor(limits: FailureLimits) {
    this.#limits = limits;
  }

  /** Counts an attempt. @returns whether it is to be stored; otherwise it is part of a summary */
  admit({ action, outcome, address }: Failure): boolean {
    const network = networkOf(address);
    const key = `${action} ${outcome} ${network}`;
    const earlier = this.#byNetwork.get(key) ?? 0;
    if (earlier < this.#limits.perNetwork && this.#stored < this.#limits.total) {
      this.#byNetwork.set(key, earlier + 1);
      this.#stored += 1;
      return true;
    }
    this.#count(this.#summaries.has(key) || this.#summaries.size < this.#limits.total ? key : `${action} ${outcome}`, {
      action,
      outcome,
      network,
    });
    return false;
  }

  /** Starts a new window. @returns what was counted in the last one */
  reset(): FailureSummary[] {
    const summaries = [...this.#summaries.values()];
    this.#stored = 0;
    this.#byNetwork = new Map();
    this.#summaries = new Map();
    return summaries;
  }

  #count(key: string, { action, outcome, network }: Pick<FailureSummary, 'action' | 'outcome' | 'network'>): void {
    const known = this.#summaries.get(key);
    if (known) {
      known.count += 1;
      if (known.network !== network) known.network = null;
    } else this.#summaries.set(key, { action, outcome, network, count: 1, since: new Date() });
  }
}
