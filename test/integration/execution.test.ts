import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

const execute = (document: string, variables?: Record<string, unknown>) =>
  gateway.execute<AnyData>('admin', document, variables);

describe('execution of a query', () => {
  it('applies @include to each spread of a shared fragment separately', async () => {
    const document =
      'query ($a: Boolean!) { one: me { ...Mail @include(if: $a) role } two: me { ...Mail } } fragment Mail on User { email }';
    const { data } = await execute(document, { a: false });
    expect(data).toEqual({ one: { role: 'ADMIN' }, two: { email: 'admin@example.com' } });
  });

  it('includes a fragment that is spread twice if one of its conditions holds', async () => {
    const document =
      'query ($a: Boolean!, $b: Boolean!) { me { ...Mail @include(if: $a) ...Mail @include(if: $b) } } fragment Mail on User { email }';
    expect((await execute(document, { a: false, b: true })).data).toEqual({ me: { email: 'admin@example.com' } });
  });

  it('merges a field that is selected twice with different selections', async () => {
    expect((await execute('{ me { email } me { role } }')).data).toEqual({
      me: { email: 'admin@example.com', role: 'ADMIN' },
    });
  });

  it('returns __proto__ as an ordinary alias', async () => {
    const { data } = await execute('{ __proto__: me { role } constructor: me { toString: email } }');
    expect(Object.keys(data as object)).toEqual(['__proto__', 'constructor']);
    expect(data.constructor).toEqual({ toString: 'admin@example.com' });
  });

  it('propagates null to the nearest nullable field and keeps its siblings', async () => {
    const { data, errors } = await execute('{ me { email predictions(first: -1) { totalCount } } models { name } }');
    expect(data.me).toBeNull();
    expect(data.models).not.toHaveLength(0);
    expect(errors).toMatchObject([{ path: ['me', 'predictions'], extensions: { code: 'BAD_USER_INPUT' } }]);
  });

  it('completes a page within a second if fragments spread to 64 fields', async () => {
    const fragments = Array.from(
      { length: 6 },
      (_none, level) => `fragment F${level} on Employee { ...F${level + 1} ...F${level + 1} }`,
    );
    const startedAt = performance.now();
    const { data } = await execute(
      `{ employees(first: 1) { nodes { ...F0 } } } ${fragments.join(' ')} fragment F6 on Employee { name }`,
    );
    expect(data.employees.nodes).toEqual([{ name: 'Ada Adler' }]);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});

describe('execution of a mutation', () => {
  it('executes the fields after a failed one and returns their results', async () => {
    const { data } = await execute('{ departments { id } }');
    const input = `name: "Hired Anyway", email: "hired.anyway@example.com", age: 30, jobTitle: "x", jobLevel: 1, hiredOn: "2020-01-01", salary: 1, departmentId: "${data.departments[0].id as string}"`;
    const response = await execute(
      `mutation { first: deleteEmployee(id: "employee_00000000000000000000000000") { deletedEmployeeId } second: createEmployee(input: { ${input} }) { name } }`,
    );
    expect(response.errors).toMatchObject([{ path: ['first'], extensions: { code: 'NOT_FOUND' } }]);
    const stored = await gateway.db
      .selectFrom('employee')
      .select('id')
      .where('email', '=', 'hired.anyway@example.com')
      .execute();
    expect(response.data).toEqual({ first: null, second: { name: 'Hired Anyway' } });
    expect(stored).toHaveLength(1);
  });
});
