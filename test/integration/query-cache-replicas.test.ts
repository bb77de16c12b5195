import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sql } from 'kysely';
import { encodeId } from '../../src/graphql/id.js';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';
import { statementsOf } from '../kit/statements.js';
import { until } from '../kit/until.js';

const reason = reasonToSkipRedis();
const describeWithRedis = reason === null ? describe : describe.skip;

/** How many employees each department has, by its name. */
type Headcounts = Record<string, number>;

describeWithRedis(`gateways that share a database${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  const lonelyTtlSeconds = 1;
  let redis: TestRedis;
  /** Two that share a Redis. */
  let one: TestGateway;
  let other: TestGateway;
  /** One that hears of nobody. */
  let lonely: TestGateway;

  beforeAll(async () => {
    redis = await startRedis();
    // On a machine with much to do, Redis is not away because it is slow.
    const shared = { REDIS_URL: redis.url, CACHE_DEADLINE_MS: '1000' };
    one = await startGateway({ ...shared, RESPONSE_CACHE: 'false' });
    // Answers are kept here as well, made of kept rows.
    other = await startGateway({ ...shared, DATABASE_URL: one.databaseUrl });
    lonely = await startGateway({ DATABASE_URL: one.databaseUrl, RESPONSE_CACHE: 'false', QUERY_CACHE_TTL_SECONDS: String(lonelyTtlSeconds) });
  });
  afterAll(async () => {
    await lonely.close();
    await other.close();
    await one.close();
    await redis.stop();
  });

  const headcountsAt = async (gateway: TestGateway, asker: 'admin' | 'user' = 'user'): Promise<Headcounts> => {
    const { data, errors } = await gateway.ask<Any>(asker, '{ departments { name headcount } }');
    expect(errors).toEqual([]);
    return Object.fromEntries((data.departments as { name: string; headcount: number }[]).map(({ name, headcount }) => [name, headcount]));
  };

  /** By SQL, past every gateway. */
  const truth = async (): Promise<Headcounts> => {
    const { rows } = await sql<{ name: string; count: number }>`
      select department.name, count(employee.id)::integer as count from department
      left join employee on employee.department_id = department.id group by 1`.execute(one.db);
    return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
  };

  const idsOf = async (table: 'department' | 'employee', limit: number): Promise<string[]> =>
    (await one.db.selectFrom(table).select('id').orderBy('name').limit(limit).execute()).map(({ id }) => encodeId(table, id));

  const move = async (gateway: TestGateway, employee: string, department: string): Promise<void> => {
    const { errors } = await gateway.ask('admin', 'mutation ($e: ID!, $d: ID!) { updateEmployee(id: $e, input: { departmentId: $d }) { id } }', { e: employee, d: department });
    expect(errors).toEqual([]);
  };

  const statementsAt = (gateway: TestGateway): Promise<string[]> => statementsOf(() => headcountsAt(gateway));

  it('read what the other has kept', async () => {
    // The kit looks the account up once.
    await other.ask('user', '{ __typename }');
    await headcountsAt(one);
    expect(await statementsAt(one)).toEqual([]);
    expect(await statementsAt(other)).toEqual([]);
  });

  it('say what the database says after any changes through either, and the one that hears of nobody after its time', async () => {
    const employees = await idsOf('employee', 6);
    const departments = await idsOf('department', 4);
    const write = fc.record({ kind: fc.constant('write' as const), employee: fc.constantFrom(...employees), department: fc.constantFrom(...departments), through: fc.constantFrom('one', 'other') });
    const read = fc.record({ kind: fc.constant('read' as const), at: fc.constantFrom('one', 'other', 'lonely'), asker: fc.constantFrom('admin' as const, 'user' as const) });
    const step = fc.oneof({ weight: 1, arbitrary: write }, { weight: 3, arbitrary: read });
    const gateways: Record<string, TestGateway> = { one, other, lonely };
    /** What was true, and until when; null: still. */
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
          const askedAt = Date.now();
          const counts = await headcountsAt(gateway, next.asker);
          seen.reads += 1;
          if (next.at !== 'lonely') {
            expect([next.at, counts]).toEqual([next.at, await truth()]);
            continue;
          }
          // What was read within the time to live was true then, or since.
          const possible = states.filter((state) => state.until === null || state.until > askedAt - lonelyTtlSeconds * 1000).map((state) => state.counts);
          expect(possible).toContainEqual(counts);
          if (JSON.stringify(counts) !== JSON.stringify(await headcountsAt(one))) seen.old += 1;
        }
      }),
      { numRuns: 12, endOnFailure: true },
    );
    expect(seen.reads).toBeGreaterThan(100);
    // Were the lonely one always right, its bound would not have been put to the test.
    expect(seen.old).toBeGreaterThan(0);
    await until(async () => JSON.stringify(await headcountsAt(lonely)) === JSON.stringify(await headcountsAt(one)));
  }, 120_000);

  it('never show what was before a change, however many read while it is made', async () => {
    const [employee = ''] = await idsOf('employee', 1);
    const [here = '', there = ''] = await idsOf('department', 2);
    let changes = 0;
    let isChanging = true;
    const readers = [one, other, one, other].map(async (gateway) => {
      while (isChanging) {
        const known = changes;
        const counts = await headcountsAt(gateway);
        // While nothing has changed meanwhile, what was read is what is.
        const now = await truth();
        if (changes === known && known % 2 === 0) expect(counts).toEqual(now);
      }
    });
    for (let turn = 0; turn < 30; turn += 1) {
      // Odd while a change is under way.
      changes += 1;
      await move(turn % 2 === 0 ? one : other, employee, turn % 2 === 0 ? there : here);
      changes += 1;
    }
    isChanging = false;
    await Promise.all(readers);
  });

  describe('whose Redis', () => {
    const isKeptAt = (gateway: TestGateway): Promise<void> => until(async () => (await statementsAt(gateway)).length === 0);

    it('is killed read from the database, show every change, and keep again when it is back', async () => {
      const [employee = ''] = await idsOf('employee', 1);
      const departments = await idsOf('department', 3);
      await Promise.all([isKeptAt(one), headcountsAt(other)]);
      await redis.kill();
      for (const department of departments) {
        await move(one, employee, department);
        const now = await truth();
        expect([await headcountsAt(one), await headcountsAt(other)]).toEqual([now, now]);
      }
      await redis.restart();
      await isKeptAt(one);
      await isKeptAt(other);
      await move(other, employee, departments[0] ?? '');
      const now = await truth();
      expect([await headcountsAt(one), await headcountsAt(other)]).toEqual([now, now]);
    });

    it('hangs read from the database, and show nothing old once it goes on', async () => {
      const [employee = ''] = await idsOf('employee', 1);
      const departments = await idsOf('department', 3);
      await isKeptAt(one);
      redis.pause();
      await move(one, employee, departments[1] ?? '');
      const now = await truth();
      expect([await headcountsAt(one), await headcountsAt(other)]).toEqual([now, now]);
      redis.resume();
      // Where the change was made it is known all along.
      for (let look = 0; look < 20; look += 1) expect(await headcountsAt(one)).toEqual(now);
      await isKeptAt(one);
      await isKeptAt(other);
      expect([await headcountsAt(one), await headcountsAt(other)]).toEqual([now, now]);
    });
  });
});
