import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  EmployeesPageDocument,
  MyPredictionsDocument,
  PriceOfCarDocument,
  SignInDocument,
  TypedPriceOfCarDocument,
} from './generated/graphql.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import type { TypedDocumentString } from './generated/graphql.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

/** Executes a generated, typed operation. */
async function run<Result, Variables>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
  token?: string,
): Promise<Result> {
  const response = await gateway.execute<Result>(
    token === undefined ? null : { token },
    document.toString(),
    variables as Record<string, unknown>,
  );
  expect(response.errors).toEqual([]);
  if (!response.data) throw new Error('The response has no data.');
  return response.data;
}

describe('a new client with generated types', () => {
  it('signs in, pages through employees, and gets a repeated prediction from the cache', async () => {
    const { login } = await run(SignInDocument, { email: 'user@example.com', password: 'auspex-demo-2026' });
    expect(login?.user).toMatchObject({ email: 'user@example.com', role: 'USER' });
    const token = login?.accessToken;

    const first = await run(EmployeesPageDocument, { first: 50 }, token);
    const second = await run(
      EmployeesPageDocument,
      { first: 50, after: first.employees.pageInfo.endCursor ?? null },
      token,
    );
    expect(first.employees.totalCount).toBe(240);
    expect(new Set([...first.employees.nodes, ...second.employees.nodes].map((employee) => employee.id)).size).toBe(
      100,
    );
    expect(first.employees.nodes.every((employee) => employee.department.name !== '')).toBe(true);

    const inputs = [{ company: 'Maruti', year: 2014, km_driven: 100_000, fuel: 'Diesel' }];
    const initial = await run(PriceOfCarDocument, { inputs }, token);
    const repeated = await run(PriceOfCarDocument, { inputs }, token);
    expect(initial.predict[0]).toMatchObject({ source: 'MODEL', version: 1 });
    expect(repeated.predict[0]).toMatchObject({ source: 'CACHE', output: initial.predict[0]?.output });

    const typed = await run(
      TypedPriceOfCarDocument,
      { inputs: [{ company: 'Maruti', year: 2014, kmDriven: 100_000, fuel: 'Diesel' }] },
      token,
    );
    expect(typed.predictCarPrice[0]).toMatchObject({
      source: 'CACHE',
      sellingPrice: initial.predict[0]?.output.selling_price,
    });

    const { predictions } = await run(MyPredictionsDocument, {}, token);
    expect(predictions.totalCount).toBe(3);
    expect(predictions.nodes.map((prediction) => prediction.source)).toEqual(['CACHE', 'CACHE', 'MODEL']);
    expect(predictions.nodes[0]?.input).toEqual(inputs[0]);
  });
});
