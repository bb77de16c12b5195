import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Role } from '../../src/auth/viewer.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { startGateway, type AnyData, type GraphQLResponse, type Caller, type TestGateway } from '../support/gateway.js';
import { makeIrisStore, type IrisStore } from '../support/iris-store.js';
import { addPerson, type Person } from '../support/people.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { waitUntil } from '../support/wait-until.js';

const isHit = ({ headers }: GraphQLResponse<unknown>): boolean => headers.has('age');

describeWithRedis('two gateways that share a database and a Redis', () => {
  let redis: TestRedis;
  let store: IrisStore;
  let one: TestGateway;
  let other: TestGateway;
  /** A gateway without caches, for the expected results. */
  let plain: TestGateway;

  beforeAll(async () => {
    redis = await startRedis();
    store = await makeIrisStore({ versions: [1, 2] });
    // A long deadline, because Redis may be slow on a busy machine.
    const shared = {
      CACHE_DEADLINE_MS: '1000',
      REDIS_URL: redis.url,
      MODEL_STORE: store.dir,
      MODEL_STORE_POLL_MS: '0',
    };
    one = await startGateway(shared);
    other = await startGateway({ ...shared, DATABASE_URL: one.databaseUrl });
    plain = await startGateway({
      MODEL_STORE: store.dir,
      MODEL_STORE_POLL_MS: '0',
      DATABASE_URL: one.databaseUrl,
      RESPONSE_CACHE: 'false',
      QUERY_CACHE: 'false',
    });
  });
  afterAll(async () => {
    await plain.close();
    await other.close();
    await one.close();
    await redis.stop();
    await store.remove();
  });

  const query = 'query ($id: ID!) { employee(id: $id) { name } }';
  const nameAt = async (gateway: TestGateway, id: string): Promise<{ name: string; isHit: boolean }> => {
    const response = await gateway.execute<AnyData>('admin', query, { id });
    expect(response.errors).toEqual([]);
    return { name: response.data.employee.name as string, isHit: isHit(response) };
  };
  const rename = async (gateway: TestGateway, id: string, name: string): Promise<void> => {
    const { errors } = await gateway.execute(
      'admin',
      'mutation ($id: ID!, $name: String!) { updateEmployee(id: $id, input: { name: $name }) { id } }',
      { id, name },
    );
    expect(errors).toEqual([]);
  };
  const someone = async (): Promise<string> =>
    encodeId(
      'employee',
      (await one.db.selectFrom('employee').select('id').orderBy('name').executeTakeFirstOrThrow()).id,
    );
  const untilCached = (gateway: TestGateway, id: string): Promise<void> =>
    waitUntil(async () => (await nameAt(gateway, id)).isHit);

  it('share cached responses', async () => {
    const id = await someone();
    await untilCached(one, id);
    expect((await nameAt(other, id)).isHit).toBe(true);
  });

  it('both return a change through either as soon as its mutation has completed', async () => {
    const id = await someone();
    for (let turn = 0; turn < 20; turn += 1) {
      await Promise.all([untilCached(one, id), untilCached(other, id)]);
      await rename(turn % 2 === 0 ? one : other, id, `Turn ${turn}`);
      expect([await nameAt(other, id), await nameAt(one, id)].map(({ name }) => name)).toEqual([
        `Turn ${turn}`,
        `Turn ${turn}`,
      ]);
    }
  });

  it('never return a state from before a change despite concurrent reads', async () => {
    const id = await someone();
    let isChanging = true;
    let changed = 0;
    const readers = [one, other, one, other].map(async (gateway) => {
      while (isChanging) {
        const known = changed;
        const { name } = await nameAt(gateway, id);
        expect(Number(/^Race (\d+)$/.exec(name)?.[1] ?? 0)).toBeGreaterThanOrEqual(known);
      }
    });
    for (let turn = 1; turn <= 40; turn += 1) {
      await rename(turn % 3 === 0 ? other : one, id, `Race ${turn}`);
      changed = turn;
    }
    isChanging = false;
    await Promise.all(readers);
  });

  it('return a promoted model immediately at one, and at the other once it serves it', async () => {
    const current = async (gateway: TestGateway): Promise<number> =>
      (await gateway.execute<AnyData>('user', '{ model(name: "iris") { current { version } } }')).data.model.current
        .version as number;
    for (const version of [2, 1, 2, 1]) {
      await Promise.all([current(one), current(other)]);
      const { errors } = await one.execute(
        'admin',
        `mutation { promoteModel(name: "iris", version: ${version}) { name } }`,
      );
      expect(errors).toEqual([]);
      expect(await current(one)).toBe(version);
      await waitUntil(async () => (await current(other)) === version);
      expect([await current(one), await current(other)]).toEqual([version, version]);
    }
  });

  it('return every viewer the same as a gateway without a cache for any reads and changes', async () => {
    const people: Person[] = [];
    for (const role of [Role.USER, Role.USER, Role.MANAGER, Role.ADMIN]) people.push(await addPerson(one, role));
    const employees = (await one.db.selectFrom('employee').select('id').orderBy('name').limit(4).execute()).map(
      ({ id }) => encodeId('employee', id),
    );
    const departments = (await one.db.selectFrom('department').select('id').execute()).map(({ id }) =>
      encodeId('department', id),
    );
    const keyOf = async (caller: Caller, scopes: string[]): Promise<Caller> => {
      const made = await one.execute<AnyData>(
        caller,
        'mutation ($scopes: [String!]) { createApiKey(name: "any", scopes: $scopes) { secret } }',
        { scopes },
      );
      return { apiKey: made.data.createApiKey.secret as string };
    };
    const callers: Caller[] = [
      'admin',
      'manager',
      'user',
      null,
      ...people.map(({ token }) => ({ token })),
      await keyOf('user', ['employees:read']),
      await keyOf('user', ['predict']),
      await keyOf('admin', ['employees:read', 'employees:write']),
      await keyOf({ token: people[1]?.token ?? '' }, ['employees:read', 'predict']),
    ];
    const reads: [string, string[]][] = [
      [
        '{ employees(first: 8) { nodes { id name salary department { name } manager { name salary } } totalCount } }',
        [],
      ],
      [
        'query ($e: ID!) { employee(id: $e) { id name salary version reports(first: 3) { nodes { name salary } totalCount } } }',
        ['e'],
      ],
      ['query ($d: ID!) { employees(first: 5, filter: { departmentId: $d }) { nodes { name salary } } }', ['d']],
      ['{ departments { name headcount } }', []],
      ['{ me { email role employee { name salary } } }', []],
      ['query ($p: ID!) { user(id: $p) { email role isActive employee { id salary } } }', ['p']],
      ['{ models { name current { version inputs { name } } } me { role } }', []],
      ['{ models { name canary { version } } }', []],
      ['{ apiKeys { name } }', []],
    ];
    const writes: [string, string[]][] = [
      ['mutation ($e: ID!, $n: String!) { updateEmployee(id: $e, input: { name: $n }) { id } }', ['e', 'n']],
      ['mutation ($e: ID!, $s: Int!) { updateEmployee(id: $e, input: { salary: $s }) { id } }', ['e', 's']],
      ['mutation ($e: ID!, $d: ID!) { updateEmployee(id: $e, input: { departmentId: $d }) { id } }', ['e', 'd']],
      ['mutation ($e: ID!, $m: ID) { updateEmployee(id: $e, input: { managerId: $m }) { id } }', ['e', 'm']],
      ['mutation ($p: ID!, $r: Role!) { setUserRole(userId: $p, role: $r) { id } }', ['p', 'r']],
      ['mutation ($p: ID!, $e: ID) { setUserEmployee(userId: $p, employeeId: $e) { id } }', ['p', 'e']],
    ];
    const variables = fc.record({
      e: fc.constantFrom(...employees),
      m: fc.option(fc.constantFrom(...employees)),
      d: fc.constantFrom(...departments),
      p: fc.constantFrom(...people.map(({ id }) => id)),
      r: fc.constantFrom('ADMIN', 'MANAGER', 'USER'),
      n: fc.constantFrom('Ann', 'Ben', 'Cem'),
      s: fc.integer({ min: 1, max: 3 }),
    });
    const operation = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...reads) },
      { weight: 1, arbitrary: fc.constantFrom(...writes) },
    );
    const step = fc.record({ caller: fc.constantFrom(...callers), operation, variables, isOther: fc.boolean() });
    const seen = { hits: 0, responses: 0 };
    // Errors of fields that are executed concurrently have no fixed order.
    const reported = ({ data, errors }: GraphQLResponse<unknown>) => ({
      data,
      errors: errors.map(({ path, extensions }) => `${JSON.stringify(path)} ${extensions.code}`).sort(),
    });

    const isSignedOut = ({ errors }: { errors: string[] }): boolean =>
      errors.some((error) => error.endsWith(' UNAUTHENTICATED'));

    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 40 }), async (steps) => {
        for (const {
          caller,
          operation: [document, names],
          variables: all,
          isOther,
        } of steps) {
          const given = Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
          const gateways = isOther ? [other, one] : [one, other];
          if (document.startsWith('mutation')) {
            await gateways[0]?.execute('admin', document, given);
            continue;
          }
          for (const gateway of gateways) {
            let truth = reported(await plain.execute(caller, document, given));
            let response = await gateway.execute(caller, document, given);
            // A gateway is notified of a changed account, whose tokens it then rejects.
            await waitUntil(async () => {
              if (isSignedOut(truth) === isSignedOut(reported(response))) return true;
              truth = reported(await plain.execute(caller, document, given));
              response = await gateway.execute(caller, document, given);
              return false;
            });
            expect(reported(response)).toEqual(truth);
            seen.responses += 1;
            if (isHit(response)) seen.hits += 1;
          }
        }
      }),
      { numRuns: 15, endOnFailure: true },
    );
    // Without hits the cache would not be tested.
    expect(seen.hits).toBeGreaterThan(seen.responses / 10);
  }, 120_000);

  describe('when Redis', () => {
    it('is killed: cache nothing, return every change, and cache again afterwards', async () => {
      const id = await someone();
      await untilCached(one, id);
      await redis.kill();
      for (let turn = 0; turn < 5; turn += 1) {
        await rename(one, id, `Without ${turn}`);
        expect([await nameAt(one, id), await nameAt(other, id)]).toEqual([
          { name: `Without ${turn}`, isHit: false },
          { name: `Without ${turn}`, isHit: false },
        ]);
      }
      await redis.restart();
      await Promise.all([untilCached(one, id), untilCached(other, id)]);
      await rename(other, id, 'Back');
      expect([(await nameAt(one, id)).name, (await nameAt(other, id)).name]).toEqual(['Back', 'Back']);
    });

    it('hangs: keep serving, and invalidate changed entries afterwards', async () => {
      const id = await someone();
      await Promise.all([untilCached(one, id), untilCached(other, id)]);
      redis.pause();
      await rename(one, id, 'While it hung');
      expect((await nameAt(one, id)).name).toBe('While it hung');
      expect((await nameAt(other, id)).name).toBe('While it hung');
      redis.resume();
      // The gateway that made the change always returns it.
      for (let look = 0; look < 20; look += 1) expect((await nameAt(one, id)).name).toBe('While it hung');
      await Promise.all([untilCached(one, id), untilCached(other, id)]);
      expect([(await nameAt(one, id)).name, (await nameAt(other, id)).name]).toEqual([
        'While it hung',
        'While it hung',
      ]);
    });
  });
});
