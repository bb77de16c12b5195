/** When a canary serves, and when it stops. */
export interface CanaryRule {
  version: number;
  /** Percentage of callers; a caller keeps its version. */
  percent: number;
  /** Error rate of recent calls, 0 to 1, above which the canary stops. */
  maxErrorRate: number;
  /** 95th percentile of the latency in milliseconds above which the canary stops; absent for no limit. */
  maxP95Ms?: number | undefined;
  /** Calls before the limits apply. */
  minCalls: number;
}

/** When a shadow runs. */
export interface ShadowRule {
  version: number;
  /** Percentage of calls that it runs on. */
  percent: number;
}
