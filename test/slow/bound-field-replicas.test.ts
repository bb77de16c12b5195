import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { yearsSince } from '../../src/bindings/feature-kinds.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { describeWithRedis } from '../support/describe-with-redis.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { expectedPay, makePayStore, type PayStore } from '../support/pay-store.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { waitUntil } from '../support/wait-until.js';

describeWithRedis('bound fields of two gateways that share a database and a Redis', () => {
  let redis: TestRedis;
  let store: PayStore;
  let gateways: TestGateway[];
  let employees: string[];
  let departments: string[];
  beforeAll(async () => {
    redis = await startRedis();
    store = await makePayStore([1, 2], { current: 1 });
    const shared = {
      CACHE_DEADLINE_MS: '1000',
      REDIS_URL: redis.url,
      MODEL_STORE: store.dir,
      MODEL_STORE_POLL_MS: '0',
    };
    const one = await startGateway(shared);
    gateways = [one, await startGateway({ ...shared, DATABASE_URL: one.databaseUrl })];
    const rows = await one.db.selectFrom('employee').select('id').orderBy('id').limit(50).execute();
    employees = rows.map(({ id }) => encodeId('employee', id));
    departments = (await one.db.selectFrom('department').select('id').execute()).map(({ id }) =>
      encodeId('department', id),
    );
  });
  afterAll(async () => {
    for (const gateway of gateways.toReversed()) await gateway.close();
    await redis.stop();
    await store.remove();
  });

  const page = '{ employees(first: 50) { nodes { id expectedSalary { value version } } } }';
  const nodesAt = async (gateway: number): Promise<AnyData[]> => {
    const { data, errors } = await at(gateway).execute<AnyData>('admin', page);
    expect(errors).toEqual([]);
    return data.employees.nodes as AnyData[];
  };
  const at = (index: number): TestGateway => {
    const gateway = gateways[index];
    if (!gateway) throw new Error(`There is no gateway ${index}.`);
    return gateway;
  };

  /** What each employee's prediction is, from the tables alone. */
  async function recomputed(version: number): Promise<Map<string, number>> {
    const rows = await at(0)
      .db.selectFrom('employee')
      .innerJoin('department', 'department.id', 'employee.department_id')
      .select(['employee.id', 'age', 'job_level', 'hired_on', 'department.name'])
      .execute();
    return new Map(
      rows.map((row) => [
        encodeId('employee', row.id),
        expectedPay(version, {
          age: row.age,
          jobLevel: row.job_level,
          years: yearsSince(row.hired_on, new Date()),
          department: row.name,
        }),
      ]),
    );
  }

  const update = async (gateway: number, employee: number, input: Record<string, unknown>): Promise<void> => {
    const { errors } = await at(gateway).execute(
      'admin',
      'mutation ($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { id } }',
      { id: employees[employee % employees.length], input },
    );
    expect(errors).toEqual([]);
  };

  const steps = fc.array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('write' as const),
          gateway: fc.nat(1),
          employee: fc.nat(49),
          input: fc.oneof(
            fc.record({ age: fc.integer({ min: 16, max: 100 }) }),
            fc.record({ jobLevel: fc.integer({ min: 1, max: 5 }) }),
            fc.record({ hiredOn: fc.integer({ min: 2000, max: 2025 }).map((year) => `${year}-06-15`) }),
            fc.record({ name: fc.constantFrom('Ada', 'Grace', 'Edsger') }),
          ),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('move' as const),
          gateway: fc.nat(1),
          employee: fc.nat(49),
          department: fc.nat(9),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('promote' as const),
          gateway: fc.nat(1),
          version: fc.integer({ min: 1, max: 2 }),
        }),
      },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), gateway: fc.nat(1) }) },
    ),
    { minLength: 5, maxLength: 15 },
  );

  it('equal a computation from the tables after each write, promotion and read', async () => {
    let version = 1;
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        for (const step of sequence) {
          if (step.kind === 'write') await update(step.gateway, step.employee, step.input);
          else if (step.kind === 'move')
            await update(step.gateway, step.employee, {
              departmentId: departments[step.department % departments.length],
            });
          else if (step.kind === 'promote') {
            ({ version } = step);
            const promotion = `mutation { promoteModel(name: "pay", version: ${version}) { name } }`;
            expect((await at(step.gateway).execute('admin', promotion)).errors).toEqual([]);
            // The other gateway is notified.
            const served = '{ model(name: "pay") { current { version } } }';
            await waitUntil(async () => {
              const { data } = await at(1 - step.gateway).execute<AnyData>('admin', served);
              return data.model.current.version === version;
            });
          } else {
            const expected = await recomputed(version);
            const nodes = await nodesAt(step.gateway);
            for (const { id, expectedSalary } of nodes)
              expect(expectedSalary).toEqual({ version, value: expected.get(id as string) });
            compared += nodes.length;
          }
        }
      }),
      { numRuns: 25 },
    );
    // 25 sequences of 10 steps, 40 % of which read 40 employees or more, with a wide margin.
    expect(compared).toBeGreaterThan(1_000);
  }, 120_000);
});
