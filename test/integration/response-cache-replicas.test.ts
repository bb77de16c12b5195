import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Role } from '../../src/auth/viewer.js';
import { encodeId } from '../../src/graphql/id.js';
import { startGateway, type Any, type Answer, type Asker, type TestGateway } from '../kit/gateway.js';
import { makeIrisStore, type IrisStore } from '../kit/iris-store.js';
import { addPerson, type Person } from '../kit/people.js';
import { reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';
import { until } from '../kit/until.js';

const reason = reasonToSkipRedis();
const describeWithRedis = reason === null ? describe : describe.skip;

const isHit = ({ headers }: Answer<unknown>): boolean => headers.has('age');

describeWithRedis(`two gateways that share a database and a Redis${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  let redis: TestRedis;
  let store: IrisStore;
  let one: TestGateway;
  let other: TestGateway;
  /** Keeps nothing: what it answers is the truth. */
  let plain: TestGateway;

  beforeAll(async () => {
    redis = await startRedis();
    store = await makeIrisStore({ versions: [1, 2] });
    // On a machine with much to do, Redis is not away because it is slow.
    const shared = { CACHE_DEADLINE_MS: '1000', REDIS_URL: redis.url, MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '0' };
    one = await startGateway(shared);
    other = await startGateway({ ...shared, DATABASE_URL: one.databaseUrl });
    plain = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '0', DATABASE_URL: one.databaseUrl, RESPONSE_CACHE: 'false', QUERY_CACHE: 'false' });
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
    const answer = await gateway.ask<Any>('admin', query, { id });
    expect(answer.errors).toEqual([]);
    return { name: answer.data.employee.name as string, isHit: isHit(answer) };
  };
  const rename = async (gateway: TestGateway, id: string, name: string): Promise<void> => {
    const { errors } = await gateway.ask('admin', 'mutation ($id: ID!, $name: String!) { updateEmployee(id: $id, input: { name: $name }) { id } }', { id, name });
    expect(errors).toEqual([]);
  };
  const someone = async (): Promise<string> => encodeId('employee', (await one.db.selectFrom('employee').select('id').orderBy('name').executeTakeFirstOrThrow()).id);
  const isKept = (gateway: TestGateway, id: string): Promise<void> => until(async () => (await nameAt(gateway, id)).isHit);

  it('answer from each other’s cache', async () => {
    const id = await someone();
    await isKept(one, id);
    expect((await nameAt(other, id)).isHit).toBe(true);
  });

  it('both show a change as soon as its mutation is answered, whichever made it', async () => {
    const id = await someone();
    for (let turn = 0; turn < 20; turn += 1) {
      await Promise.all([isKept(one, id), isKept(other, id)]);
      await rename(turn % 2 === 0 ? one : other, id, `Turn ${turn}`);
      expect([await nameAt(other, id), await nameAt(one, id)].map(({ name }) => name)).toEqual([`Turn ${turn}`, `Turn ${turn}`]);
    }
  });

  it('never show what was before a change, however many read while it is made', async () => {
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

  it('show a promoted model at once where it was promoted, and elsewhere once it answers there', async () => {
    const current = async (gateway: TestGateway): Promise<number> => (await gateway.ask<Any>('user', '{ model(name: "iris") { current { version } } }')).data.model.current.version as number;
    for (const version of [2, 1, 2, 1]) {
      await Promise.all([current(one), current(other)]);
      const { errors } = await one.ask('admin', `mutation { promoteModel(name: "iris", version: ${version}) { name } }`);
      expect(errors).toEqual([]);
      expect(await current(one)).toBe(version);
      await until(async () => (await current(other)) === version);
      expect([await current(one), await current(other)]).toEqual([version, version]);
    }
  });

  it('give every viewer just what a gateway without a cache gives, whatever is asked and changed between', async () => {
    const people: Person[] = [];
    for (const role of [Role.USER, Role.USER, Role.MANAGER, Role.ADMIN]) people.push(await addPerson(one, role));
    const employees = (await one.db.selectFrom('employee').select('id').orderBy('name').limit(4).execute()).map(({ id }) => encodeId('employee', id));
    const departments = (await one.db.selectFrom('department').select('id').execute()).map(({ id }) => encodeId('department', id));
    const keyOf = async (asker: Asker, scopes: string[]): Promise<Asker> => {
      const made = await one.ask<Any>(asker, 'mutation ($scopes: [String!]) { createApiKey(name: "any", scopes: $scopes) { secret } }', { scopes });
      return { apiKey: made.data.createApiKey.secret as string };
    };
    const askers: Asker[] = [
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
      ['{ employees(first: 8) { nodes { id name salary department { name } manager { name salary } } totalCount } }', []],
      ['query ($e: ID!) { employee(id: $e) { id name salary version reports(first: 3) { nodes { name salary } totalCount } } }', ['e']],
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
    const operation = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...reads) }, { weight: 1, arbitrary: fc.constantFrom(...writes) });
    const step = fc.record({ asker: fc.constantFrom(...askers), operation, variables, isOther: fc.boolean() });
    const seen = { hits: 0, answers: 0 };
    // Errors of fields that are executed side by side come in any order.
    const told = ({ data, errors }: Answer<unknown>) => ({ data, errors: errors.map(({ path, extensions }) => `${JSON.stringify(path)} ${extensions.code}`).sort() });

    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 40 }), async (steps) => {
        for (const { asker, operation: [document, names], variables: all, isOther } of steps) {
          const given = Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
          const gateways = isOther ? [other, one] : [one, other];
          if (document.startsWith('mutation')) {
            await gateways[0]?.ask('admin', document, given);
            continue;
          }
          const truth = told(await plain.ask(asker, document, given));
          for (const gateway of gateways) {
            const answer = await gateway.ask(asker, document, given);
            expect(told(answer)).toEqual(truth);
            seen.answers += 1;
            if (isHit(answer)) seen.hits += 1;
          }
        }
      }),
      { numRuns: 15, endOnFailure: true },
    );
    // Were nothing kept, there would be nothing to cross.
    expect(seen.hits).toBeGreaterThan(seen.answers / 10);
  }, 120_000);

  describe('whose Redis', () => {
    it('is killed go on, keep nothing, show every change, and keep again when it is back', async () => {
      const id = await someone();
      await isKept(one, id);
      await redis.kill();
      for (let turn = 0; turn < 5; turn += 1) {
        await rename(one, id, `Without ${turn}`);
        expect([await nameAt(one, id), await nameAt(other, id)]).toEqual([
          { name: `Without ${turn}`, isHit: false },
          { name: `Without ${turn}`, isHit: false },
        ]);
      }
      await redis.restart();
      await Promise.all([isKept(one, id), isKept(other, id)]);
      await rename(other, id, 'Back');
      expect([(await nameAt(one, id)).name, (await nameAt(other, id)).name]).toEqual(['Back', 'Back']);
    });

    it('hangs go on, and forget when it goes on what changed meanwhile', async () => {
      const id = await someone();
      await Promise.all([isKept(one, id), isKept(other, id)]);
      redis.pause();
      await rename(one, id, 'While it hung');
      expect((await nameAt(one, id)).name).toBe('While it hung');
      expect((await nameAt(other, id)).name).toBe('While it hung');
      redis.resume();
      // Where the change was made it is known all along.
      for (let look = 0; look < 20; look += 1) expect((await nameAt(one, id)).name).toBe('While it hung');
      await Promise.all([isKept(one, id), isKept(other, id)]);
      expect([(await nameAt(one, id)).name, (await nameAt(other, id)).name]).toEqual(['While it hung', 'While it hung']);
    });
  });
});
