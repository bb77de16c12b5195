import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { codesOf, isEmpty, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

describe('the audit log', () => {
  it('records a sign-in in the chain and as a log line', async () => {
    const before = gateway.logs.length;
    await gateway.signIn('user');
    const events = await gateway.db
      .selectFrom('audit_event')
      .innerJoin('audit_chain', 'audit_chain.event_id', 'audit_event.id')
      .selectAll()
      .execute();
    expect(events).toMatchObject([
      {
        action: 'SIGN_IN',
        outcome: 'SUCCESS',
        account: 'user@example.com',
        credential_kind: 'session',
        position: '1',
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ]);
    expect(gateway.logs.slice(before).filter(({ msg }) => msg === 'audit')).toMatchObject([
      {
        action: 'SIGN_IN',
        outcome: 'SUCCESS',
        actor: expect.stringMatching(/^user_/),
        credential: expect.stringMatching(/^session_/),
      },
    ]);
  });

  it('is read by administrators alone', async () => {
    const read = 'query { auditLog(first: 1) { nodes { id action actor { email } credentialId } } }';
    const { data, errors } = await gateway.execute<AnyData>('admin', read);
    expect(errors).toEqual([]);
    expect(data.auditLog.nodes).toMatchObject([{ action: 'SIGN_IN', actor: { email: 'user@example.com' } }]);
    for (const [caller, code] of [
      [null, 'UNAUTHENTICATED'],
      ['user', 'FORBIDDEN'],
      ['manager', 'FORBIDDEN'],
    ] as const) {
      const rejected = await gateway.execute(caller, read);
      expect(codesOf(rejected)).toEqual([code]);
      expect(isEmpty(rejected)).toBe(true);
    }
  });

  it.each(['audit_event', 'audit_chain'] as const)('rejects changes of %s', async (table) => {
    await expect(gateway.db.deleteFrom(table).execute()).rejects.toThrow('append-only');
  });
});
