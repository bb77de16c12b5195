import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sql } from 'kysely';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { statementsOf } from '../support/statements.js';
import { waitUntil } from '../support/wait-until.js';

/** The number of employees by department name. */
type Headcounts = Record<string, number>;

describeWithRedis('gateways that share a database', () => {
  const isolatedTtlSeconds = 1;
  let redis: TestRedis;
  /** Two gateways that share a Redis. */
  let one: TestGateway;
  let other: TestGateway;
  /** A gateway without Redis, which receives no invalidations. */
  let isolated: TestGateway;

  beforeAll(async () => {
    redis = await startRedis();
    // A long deadline, because Redis may be slow on a busy machine.
    const shared = { REDIS_URL: redis.url, CACHE_DEADLINE_MS: '1000' };
    one = await startGateway({ ...shared, RESPONSE_CACHE: 'false' });
    // Also caches responses, which are built from cached rows.
    other = await startGateway({ ...shared, DATABASE_URL: one.databaseUrl });
    isolated = await startGateway({
      DATABASE_URL: one.databaseUrl,
      RESPONSE_CACHE: 'false',
      QUERY_CACHE_TTL_SECONDS: String(isolatedTtlSeconds),
    });
  });
  afterAll(async () => {
    await isolated.close();
    await other.close();
    await one.close();
    await redis.stop();
  });

  const headcountsAt = async (gateway: TestGateway, caller: 'admin' | 'user' = 'user'): Promise<Headcounts> => {
    const { data, errors } = await gateway.execute<AnyData>(caller, '{ departments { name headcount } }');
    expect(errors).toEqual([]);
    return Object.fromEntries(
      (data.departments as { name: string; headcount: number }[]).map(({ name, headcount }) => [name, headcount]),
    );
  };

  /** Reads the headcounts directly with SQL. */
  const truth = async (): Promise<Headcounts> => {
    const { rows } = await sql<{ name: string; count: number }>`
      select department.name, count(employee.id)::integer as count from department
      left join employee on employee.department_id = department.id group by 1`.execute(one.db);
    return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
  };

  const idsOf = async (table: 'department' | 'employee', limit: number): Promise<string[]> =>
    (await one.db.selectFrom(table).select('id').orderBy('name').limit(limit).execute()).map(({ id }) =>
      encodeId(table, id),
    );

  const move = async (gateway: TestGateway, employee: string, department: string): Promise<void> => {
    const { errors } = await gateway.execute(
      'admin',
      'mutation ($e: ID!, $d: ID!) { updateEmployee(id: $e, input: { departmentId: $d }) { id } }',
      { e: employee, d: department },
    );
    expect(errors).toEqual([]);
  };

  const statementsAt = (gateway: TestGateway): Promise<string[]> => statementsOf(() => headcountsAt(gateway));

  it('read rows cached by the other', async () => {
    // The test gateway looks up the account once.
    await other.execute('user', '{ __typename }');
    await headcountsAt(one);
    expect(await statementsAt(one)).toEqual([]);
    expect(await statementsAt(other)).toEqual([]);
  });

  it('return the current state after any changes through either, and an isolated one within its TTL', async () => {
    const employees = await idsOf('employee', 6);
    const departments = await idsOf('department', 4);
    const write = fc.record({
      kind: fc.constant('write' as const),
      employee: fc.constantFrom(...employees),
      department: fc.constantFrom(...departments),
      through: fc.constantFrom('one', 'other'),
    });
    const read = fc.record({
      kind: fc.constant('read' as const),
      at: fc.constantFrom('one', 'other', 'isolated'),
      caller: fc.constantFrom('admin' as const, 'user' as const),
    });
    const step = fc.oneof({ weight: 1, arbitrary: write }, { weight: 3, arbitrary: read });
    const gateways: Record<string, TestGateway> = { one, other, isolated };
    /** The states of the database, each with the time it was replaced; null for the current one. */
    const states: { counts: Headcounts; until: number | null }[] = [{ counts: await truth(), until: null }];
    const seen = { reads: 0, old: 0 };

    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 40 }), async (steps) => {
        for (const next of steps) {
          const gateway = gateways[next.kind === 'write' ? next.through : next.at] ?? one;
          if (next.kind === 'write') {
            await move(gateway, next.employee, next.department);
            const last = states.at(-1);
            if (last) last.until = Date.now();
            states.push({ counts: await truth(), until: null });
            continue;
          }
          const requestedAt = Date.now();
          const counts = await headcountsAt(gateway, next.caller);
          seen.reads += 1;
          if (next.at !== 'isolated') {
            expect([next.at, counts]).toEqual([next.at, await truth()]);
            continue;
          }
          // A cached result was current within the TTL.
          const possible = states
            .filter((state) => state.until === null || state.until > requestedAt - isolatedTtlSeconds * 1000)
            .map((state) => state.counts);
          expect(possible).toContainEqual(counts);
          if (JSON.stringify(counts) !== JSON.stringify(await headcountsAt(one))) seen.old += 1;
        }
      }),
      { numRuns: 12, endOnFailure: true },
    );
    expect(seen.reads).toBeGreaterThan(100);
    // Without a stale result the TTL would not be tested.
    expect(seen.old).toBeGreaterThan(0);
    await waitUntil(
      async () => JSON.stringify(await headcountsAt(isolated)) === JSON.stringify(await headcountsAt(one)),
    );
  }, 120_000);

  it('never return a state from before a change despite concurrent reads', async () => {
    const [employee = ''] = await idsOf('employee', 1);
    const [here = '', there = ''] = await idsOf('department', 2);
    let changes = 0;
    let isChanging = true;
    const readers = [one, other, one, other].map(async (gateway) => {
      while (isChanging) {
        const known = changes;
        const counts = await headcountsAt(gateway);
        // Without a concurrent change the result is current.
        const now = await truth();
        if (changes === known && known % 2 === 0) expect(counts).toEqual(now);
      }
    });
    for (let turn = 0; turn < 30; turn += 1) {
      // Odd while a change is in progress.
      changes += 1;
      await move(turn % 2 === 0 ? one : other, employee, turn % 2 === 0 ? there : here);
      changes += 1;
    }
    isChanging = false;
    await Promise.all(readers);
  });

  describe('when Redis', () => {
    const untilCachedAt = (gateway: TestGateway): Promise<void> =>
      waitUntil(async () => (await statementsAt(gateway)).length === 0);

    it('is killed: read from the database, return every change, and cache again afterwards', async () => {
      const [employee = ''] = await idsOf('employee', 1);
      const departments = await idsOf('department', 3);
      await Promise.all([untilCachedAt(one), headcountsAt(other)]);
      await redis.kill();
      for (const department of departments) {
        await move(one, employee, department);
        const now = await truth();
        expect([await headcountsAt(one), await headcountsAt(other)]).toEqual([now, now]);
      }
      await redis.restart();
      await untilCachedAt(one);
      await untilCachedAt(other);
      await move(other, employee, departments[0] ?? '');
      const now = await truth();
      expect([await headcountsAt(one), await headcountsAt(other)]).toEqual([now, now]);
    });

    it('hangs: read from the database, and return nothing stale afterwards', async () => {
      const [employee = ''] = await idsOf('employee', 1);
      const departments = await idsOf('department', 3);
      await untilCachedAt(one);
      redis.pause();
      await move(one, employee, departments[1] ?? '');
      const now = await truth();
      expect([await headcountsAt(one), await headcountsAt(other)]).toEqual([now, now]);
      redis.resume();
      // The gateway that made the change always returns it.
      for (let look = 0; look < 20; look += 1) expect(await headcountsAt(one)).toEqual(now);
      await untilCachedAt(one);
      await untilCachedAt(other);
      expect([await headcountsAt(one), await headcountsAt(other)]).toEqual([now, now]);
    });
  });
});
