import { z } from 'zod';
import { version, whole, within } from './manifest-numbers.js';

/** What decides which version a call gets: chance, its caller, or the value of a request header. */
export type CanaryShare = 'request' | 'user' | `header:${string}`;

/** When a canary serves, when its share grows, and when it stops. */
export interface CanaryRule {
  version: number;
  /** Shares of the calls in percent, ascending, at most 50. With more than one, the share grows after enough calls; 100 is a promotion. */
  steps: readonly number[];
  by: CanaryShare;
  /** Failure rate, 0 to 1, above which the canary stops even if the current version is no better; 1 for no limit. */
  maxErrorRate: number;
  /** 95th percentile of the latency in milliseconds above which the canary stops; absent for no limit. */
  maxP95Ms?: number | undefined;
  /** Calls that the canary computes at a step before its share grows. */
  minCalls: number;
}

/** When a shadow runs. */
export interface ShadowRule {
  version: number;
  /** Percentage of calls that it runs on. */
  percent: number;
}

/** Beyond this share, in percent, too few calls of the current version are left to find a canary that fails twice as often. */
const largestShare = 50;
const tooFewCalls = 'with more, too few calls are left to compare the canary with; promote it instead';

/** `canary` of a manifest. */
export const canary = z
  .strictObject({
    version,
    percent: z
      .number()
      .min(0, 'must be 0 or more')
      .max(largestShare, `must be ${largestShare} or less: ${tooFewCalls}`)
      .optional(),
    steps: z
      .array(
        z
          .number()
          .min(0, 'must be 0 or more')
          .refine(
            (step) => step <= largestShare || step === 100,
            `must be ${largestShare} or less, or 100: ${tooFewCalls}`,
          ),
      )
      .min(1, 'must name at least one share')
      .max(20, 'must have 20 shares or fewer')
      .refine(
        (steps) => steps.every((step, index) => step > (steps[index - 1] ?? 0)),
        'must rise from above 0: [1, 5, 25, 100]',
      )
      .refine(([first]) => first !== 100, 'must begin below 100')
      .optional(),
    by: z
      .string()
      .regex(
        /^(request|user|header:[A-Za-z0-9-]{1,100})$/,
        'must be request, user, or header: and the name of a header',
      )
      .default('request'),
    max_error_rate: within(0, 1).optional(),
    max_p95_ms: within(1, 600_000).optional(),
    min_calls: whole(1, 1_000_000).default(1000),
  })
  .refine(({ percent, steps }) => (percent === undefined) !== (steps === undefined), {
    path: ['percent'],
    message: 'or steps must be set, one of them',
  });

/** `shadow` of a manifest. */
export const shadow = z.strictObject({ version, percent: within(0, 100) });

/** Converts the canary of a manifest to the names of the code. */
export const canaryRule = (of: z.infer<typeof canary>): CanaryRule => ({
  version: of.version,
  steps: of.steps ?? [of.percent ?? 0],
  // The expression of the schema has checked it.
  by: of.by as CanaryShare,
  maxErrorRate: of.max_error_rate ?? 1,
  maxP95Ms: of.max_p95_ms,
  minCalls: of.min_calls,
});
