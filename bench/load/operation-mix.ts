import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf, UserError } from './options.ts';

/** A request to `/graphql`. */
export interface LoadRequest {
  method: 'GET' | 'POST';
  /** Including query parameters. */
  path: string;
  headers: Record<string, string>;
  body?: string;
}

/** The client of one connection. */
export interface Caller {
  token: string;
  /** An employee that only this caller changes. */
  employeeId: string;
}

/** A kind of request and its share of the mix. */
export interface Kind {
  name: string;
  weight: number;
  next: (caller: Caller) => LoadRequest;
}

export interface Account {
  email: string;
  password: string;
}

const route = '/graphql';

/**
 * A typical mix: mostly reads, some repeated; cached, new and batch predictions; mutations; and optionally sign-ins, each of which
 * needs the CPU time of about 100 reads.
 */
export function operationMix(account: Account, { withSignIns }: { withSignIns: boolean }): Kind[] {
  let number = Math.floor(Math.random() * 1_000_000);
  const car = (kilometres: number) => ({
    company: 'Ford',
    year: 2012,
    km_driven: kilometres % 3_000_000,
    fuel: 'Diesel',
  });
  const price = (cars: object[]) => ({
    query: 'query Price($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output source } }',
    variables: { inputs: cars },
  });
  return [
    {
      name: 'page of employees',
      weight: 30,
      next: ({ token }) => post(token, { query: page, variables: { first: 20 + ((number += 1) % 10) } }),
    },
    {
      name: 'one employee',
      weight: 18,
      next: ({ token, employeeId }) =>
        post(token, {
          query: 'query One($id: ID!) { employee(id: $id) { name jobTitle department { name } } me { email role } }',
          variables: { id: employeeId },
        }),
    },
    { name: 'departments (GET)', weight: 15, next: ({ token }) => get(token, '{ departments { name headcount } }') },
    { name: 'cached prediction', weight: 15, next: ({ token }) => post(token, price([car(90_000)])) },
    { name: 'new prediction', weight: 12, next: ({ token }) => post(token, price([car((number += 1))])) },
    {
      name: 'batch of 100 predictions',
      weight: 2,
      next: ({ token }) => post(token, price(Array.from({ length: 100 }, () => car((number += 1))))),
    },
    {
      name: 'mutation',
      weight: 8,
      next: ({ token, employeeId }) =>
        post(token, {
          query:
            'mutation Change($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { salary } }',
          variables: { id: employeeId, input: { salary: 1000 + ((number += 1) % 1000) } },
        }),
    },
    ...(withSignIns
      ? [{ name: 'sign-in', weight: 1, next: () => post(null, { query: signIn, variables: { input: account } }) }]
      : []),
  ];
}

/**
 * Signs in and creates an employee for each caller; `remove` deletes these employees.
 * @throws UserError if the endpoint is unreachable or rejects the account
 */
export async function createCallers(
  url: string,
  account: Account,
  count: number,
): Promise<{ callers: Caller[]; remove: () => Promise<void> }> {
  const { login } = await execute(url, null, signIn, { input: account });
  const token = (login as { accessToken: string }).accessToken;
  const { departments } = await execute(url, token, '{ departments { id } }', {});
  const departmentId = (departments as { id: string }[])[0]?.id;
  const run = Date.now().toString(36);
  const callers: Caller[] = [];
  for (let index = 0; index < count; index += 1) {
    const input = {
      name: `Load ${index}`,
      email: `load-${run}-${index}@example.com`,
      age: 30,
      jobTitle: 'Caller',
      jobLevel: 1,
      hiredOn: '2024-01-01',
      salary: 1000,
      departmentId,
    };
    const { createEmployee } = await execute(
      url,
      token,
      'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }',
      { input },
    );
    callers.push({ token, employeeId: (createEmployee as { id: string }).id });
  }
  return {
    callers,
    async remove() {
      for (const { employeeId } of callers)
        await withRetries(() =>
          execute(url, token, 'mutation ($id: ID!) { deleteEmployee(id: $id) { deletedEmployeeId } }', {
            id: employeeId,
          }),
        );
    },
  };
}

const page =
  'query Page($first: Int!) { employees(first: $first) { totalCount nodes { id name jobTitle department { name } manager { name } } } }';
const signIn = 'mutation SignIn($input: LoginInput!) { login(input: $input) { accessToken } }';

const bearer = (token: string | null): Record<string, string> =>
  token === null ? {} : { authorization: `Bearer ${token}` };

const post = (token: string | null, operation: object): LoadRequest => ({
  method: 'POST',
  path: route,
  headers: { 'content-type': 'application/json', ...bearer(token) },
  body: JSON.stringify(operation),
});

const get = (token: string, query: string): LoadRequest => ({
  method: 'GET',
  path: `${route}?${new URLSearchParams({ query }).toString()}`,
  headers: { 'apollo-require-preflight': 'true', ...bearer(token) },
});

/** Retries, because a mutation that was in flight at the end may conflict. */
async function withRetries(work: () => Promise<unknown>, attempts = 10): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work();
      return;
    } catch (error) {
      if (attempt === attempts) throw error;
      await sleep(200);
    }
  }
}

/** @returns the data of the response. @throws UserError if there is none */
async function execute(
  url: string,
  token: string | null,
  query: string,
  variables: object,
): Promise<Record<string, unknown>> {
  const { headers, body } = post(token, { query, variables });
  const response = await fetch(url, { method: 'POST', headers, body: body ?? '' }).catch((error: unknown) => {
    throw new UserError(
      `Cannot reach ${url} (${reasonOf(error)}). Start a gateway there, or omit --url to load a new one.`,
    );
  });
  const text = await response.text();
  const { data, errors } = parseResponse(text);
  if (errors !== undefined || !data)
    throw new UserError(`${url} rejected the load (HTTP ${response.status}): ${text.slice(0, 500)}`);
  return data;
}

function parseResponse(text: string): { data?: Record<string, unknown>; errors?: unknown } {
  try {
    return JSON.parse(text) as { data?: Record<string, unknown>; errors?: unknown };
  } catch {
    return {};
  }
}
