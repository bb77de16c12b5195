import { setTimeout as sleep } from 'node:timers/promises';

/** One request, as it is sent to `/graphql`. */
export interface Sent {
  method: 'GET' | 'POST';
  /** With its parameters. */
  path: string;
  headers: Record<string, string>;
  body?: string;
}

/** One who asks over a connection of its own. */
export interface Caller {
  token: string;
  /** Somebody whom only this caller changes. */
  employeeId: string;
}

/** A kind of request, and how many in a hundred are of it. */
export interface Kind {
  name: string;
  weight: number;
  next: (caller: Caller) => Sent;
}

/** Who signs in. */
export interface Account {
  email: string;
  password: string;
}

const route = '/graphql';

/**
 * What a day's clients ask: mostly reads, some of them again and again; predictions of rows that are known, new, and many at a
 * time; changes; and, where the limits of sign-in allow, sign-ins, which take a processor as long as a hundred reads.
 */
export function mixOf(account: Account, { withSignIns }: { withSignIns: boolean }): Kind[] {
  let number = Math.floor(Math.random() * 1_000_000);
  const car = (kilometres: number) => ({ company: 'Ford', year: 2012, km_driven: kilometres % 3_000_000, fuel: 'Diesel' });
  const price = (cars: object[]) => ({ query: 'query Price($inputs: [JSONObject!]!) { predict(model: "car-price", inputs: $inputs) { output source } }', variables: { inputs: cars } });
  return [
    { name: 'a page of employees', weight: 30, next: ({ token }) => posted(token, { query: page, variables: { first: 20 + ((number += 1) % 10) } }) },
    { name: 'one employee', weight: 18, next: ({ token, employeeId }) => posted(token, { query: 'query One($id: ID!) { employee(id: $id) { name jobTitle department { name } } me { email role } }', variables: { id: employeeId } }) },
    { name: 'departments, by GET', weight: 15, next: ({ token }) => got(token, '{ departments { name headcount } }') },
    { name: 'a known prediction', weight: 15, next: ({ token }) => posted(token, price([car(90_000)])) },
    { name: 'a new prediction', weight: 12, next: ({ token }) => posted(token, price([car((number += 1))])) },
    { name: '100 predictions', weight: 2, next: ({ token }) => posted(token, price(Array.from({ length: 100 }, () => car((number += 1))))) },
    { name: 'a change', weight: 8, next: ({ token, employeeId }) => posted(token, { query: 'mutation Change($id: ID!, $input: UpdateEmployeeInput!) { updateEmployee(id: $id, input: $input) { salary } }', variables: { id: employeeId, input: { salary: 1000 + ((number += 1) % 1000) } } }) },
    ...(withSignIns ? [{ name: 'a sign-in', weight: 1, next: () => posted(null, { query: signIn, variables: { input: account } }) }] : []),
  ];
}

/** Signs in, and hires somebody for each of so many callers. `dismiss` leaves the database as it was, but for the history of predictions. */
export async function makeCallers(url: string, account: Account, count: number): Promise<{ callers: Caller[]; dismiss: () => Promise<void> }> {
  const { login } = await answered(url, null, signIn, { input: account });
  const token = (login as { accessToken: string }).accessToken;
  const { departments } = await answered(url, token, '{ departments { id } }', {});
  const departmentId = (departments as { id: string }[])[0]?.id;
  const run = Date.now().toString(36);
  const callers: Caller[] = [];
  for (let place = 0; place < count; place += 1) {
    const input = { name: `Load ${place}`, email: `load-${run}-${place}@example.com`, age: 30, jobTitle: 'Caller', jobLevel: 1, hiredOn: '2024-01-01', salary: 1000, departmentId };
    const { createEmployee } = await answered(url, token, 'mutation ($input: CreateEmployeeInput!) { createEmployee(input: $input) { id } }', { input });
    callers.push({ token, employeeId: (createEmployee as { id: string }).id });
  }
  return {
    callers,
    async dismiss() {
      for (const { employeeId } of callers) await persistently(() => answered(url, token, 'mutation ($id: ID!) { deleteEmployee(id: $id) }', { id: employeeId }));
    },
  };
}

const page = 'query Page($first: Int!) { employees(first: $first) { totalCount nodes { id name jobTitle department { name } manager { name } } } }';
const signIn = 'mutation SignIn($input: LoginInput!) { login(input: $input) { accessToken } }';

const bearer = (token: string | null): Record<string, string> => (token === null ? {} : { authorization: `Bearer ${token}` });

const posted = (token: string | null, operation: object): Sent => ({
  method: 'POST',
  path: route,
  headers: { 'content-type': 'application/json', ...bearer(token) },
  body: JSON.stringify(operation),
});

const got = (token: string, query: string): Sent => ({
  method: 'GET',
  path: `${route}?${new URLSearchParams({ query }).toString()}`,
  headers: { 'apollo-require-preflight': 'true', ...bearer(token) },
});

/** A change that nobody waited for may be under way still, and be in conflict. */
async function persistently(work: () => Promise<unknown>, attempts = 10): Promise<void> {
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

/** The data of an answer. @throws Error where there are errors */
async function answered(url: string, token: string | null, query: string, variables: object): Promise<Record<string, unknown>> {
  const { headers, body } = posted(token, { query, variables });
  const response = await fetch(url, { method: 'POST', headers, body: body ?? '' });
  const text = await response.text();
  const { data, errors } = JSON.parse(text) as { data?: Record<string, unknown>; errors?: unknown };
  if (errors !== undefined || !data) throw new Error(`${url} does not take the load: ${text.slice(0, 500)}`);
  return data;
}
