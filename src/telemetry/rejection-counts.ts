import { rejectionReason, rejectionReasons, type RejectionReason } from '../errors/codes.js';

/** Counts rejected responses by reason, over all transports, since the process started. */
export class RejectionCounts {
  readonly counts = Object.fromEntries(rejectionReasons.map((reason) => [reason, 0])) as Record<
    RejectionReason,
    number
  >;

  /** Counts one response by the codes of its errors: once per distinct reason. */
  count(codes: readonly unknown[]): void {
    for (const reason of new Set(codes.map(rejectionReason))) {
      if (reason !== null) this.counts[reason] += 1;
    }
  }
}
