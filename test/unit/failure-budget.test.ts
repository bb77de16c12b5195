import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AuditAction, AuditOutcome } from '../../src/audit/audit-event.js';
import { FailureBudget } from '../../src/audit/failure-budget.js';

const limits = { windowMs: 1_000, perNetwork: 2, total: 5 };
const attempt = (address: string, action = AuditAction.SIGN_IN) => ({
  action,
  outcome: AuditOutcome.FAILURE,
  address,
});

describe('the budget of failed attempts', () => {
  it('counts a network together, and each action for itself', () => {
    const budget = new FailureBudget(limits);
    const addresses = ['2001:db8::1', '2001:db8::2', '2001:db8::3'];
    expect(addresses.map((address) => budget.admit(attempt(address)))).toEqual([true, true, false]);
    expect(budget.admit(attempt('2001:db8::3', AuditAction.ACCESS))).toBe(true);
    expect(budget.reset()).toMatchObject([{ action: 'SIGN_IN', network: '2001:db8:0:0', count: 1 }]);
    expect(budget.admit(attempt('2001:db8::1'))).toBe(true);
    expect(budget.reset()).toEqual([]);
  });

  it('stores or counts each attempt, within its bounds, for any sequence of attempts', () => {
    const addresses = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 300 });
    fc.assert(
      fc.property(addresses, (sequence) => {
        const budget = new FailureBudget(limits);
        const stored = sequence.filter((last) => budget.admit(attempt(`203.0.113.${last}`))).length;
        const summaries = budget.reset();
        const counted = summaries.reduce((sum, { count }) => sum + count, 0);
        expect(stored + counted).toBe(sequence.length);
        expect(stored).toBeLessThanOrEqual(limits.total);
        expect(summaries.length).toBeLessThanOrEqual(limits.total + 1);
        expect(summaries.filter(({ network }) => network === null).length).toBeLessThanOrEqual(1);
      }),
    );
  });
});
