import { setTimeout as sleep } from 'node:timers/promises';
import { documents, limits, type Environment } from './environment.ts';

type Variables = Record<string, unknown>;

/** Executes a document. @returns the data of the response, or null if it has none */
type Execute = (token: string | null, document: string, variables?: Variables) => Promise<unknown>;

const demoPassword = 'auspex-demo-2026';
/** Pause between two requests of an ordinary caller. */
const pauseMs = 250;

/**
 * Generates load of every kind that a panel shows: reads, mutations, predictions, subscriptions, forbidden and malformed requests,
 * failed sign-ins, rate-limited callers and untrusted documents.
 */
export async function generateLoad({ url }: Environment, seconds: number): Promise<void> {
  const until = Date.now() + seconds * 1000;
  const execute = executeAt(url);
  const [admin, manager, user] = await Promise.all([
    signIn(execute, 'admin'),
    signIn(execute, 'manager'),
    signIn(execute, 'user'),
  ]);
  const every = (task: (round: number) => Promise<unknown>, intervalMs = pauseMs): Promise<void> =>
    repeat(task, intervalMs, until);

  await Promise.all([
    every(() => readPages(execute, user)),
    every(() => execute(manager, documents.departments)),
    every(() => execute(user, documents.departments)),
    every((round) => updateJobTitle(execute, admin, round), 500),
    ...[admin, manager, user].map((token) => every((round) => predict(execute, token, round))),
    subscribe(url, user, until),
    every(() => subscribeAndCancel(url, manager), 2000),
    every(() => signInWith(execute, 'user', demoPassword), 1000),
    every(() => signInWith(execute, 'nobody', 'wrong-password'), 1000),
    every(() => sendRejectedRequests(url, execute, user), 1000),
    every(() => exceedRateLimits(execute, manager), 3000),
  ]);
}

async function repeat(task: (round: number) => Promise<unknown>, intervalMs: number, until: number): Promise<void> {
  for (let round = 0; Date.now() < until; round += 1) {
    await task(round);
    await sleep(intervalMs);
  }
}

function executeAt(url: string): Execute {
  return async (token, query, variables = {}) => {
    const response = await post(url, token, JSON.stringify({ query, variables }));
    const { data } = (await response.json()) as { data?: unknown };
    return data ?? null;
  };
}

const post = (
  url: string,
  token: string | null,
  body: string,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
  });

/** @throws Error if the sign-in fails: the load needs it */
async function signIn(execute: Execute, account: string): Promise<string> {
  const data = (await signInWith(execute, account, demoPassword)) as { login: { accessToken: string } } | null;
  if (!data) throw new Error(`Sign-in of ${account}@example.com failed.`);
  return data.login.accessToken;
}

const signInWith = (execute: Execute, account: string, password: string): Promise<unknown> =>
  execute(null, documents.signIn, { input: { email: `${account}@example.com`, password } });

async function readPages(execute: Execute, token: string): Promise<void> {
  const first = (await execute(token, documents.employees)) as {
    employees: { pageInfo: { endCursor: string } };
  } | null;
  if (first) await execute(token, documents.employees, { after: first.employees.pageInfo.endCursor });
}

async function updateJobTitle(execute: Execute, token: string, round: number): Promise<void> {
  const data = (await execute(token, documents.someEmployees)) as { employees: { nodes: { id: string }[] } } | null;
  const id = data?.employees.nodes[0]?.id;
  if (id !== undefined) await execute(token, documents.renameJob, { id, input: { jobTitle: `Job ${round}` } });
}

/** New rows, cached rows, a batch, and invalid rows. */
async function predict(execute: Execute, token: string, round: number): Promise<void> {
  const flower = (at: number) => ({ petal_length: 1 + (at % 5000) / 1000, petal_width: 1 });
  const car = { company: 'Maruti', year: 2014, km_driven: 90_000 + round };
  await Promise.all([
    execute(token, documents.species, { inputs: [flower(round)] }),
    execute(token, documents.species, { inputs: [flower(0)] }),
    execute(token, documents.species, { inputs: Array.from({ length: 20 }, (_none, at) => flower(round * 20 + at)) }),
    execute(token, documents.prices, { inputs: [car] }),
    execute(token, documents.pricesInEuro, { inputs: [car] }),
    execute(token, documents.prices, { inputs: [{ company: 'Maruti', year: 'invalid' }] }),
  ]);
}

/** Requests that are rejected: unauthenticated, forbidden, untrusted, malformed, too large. */
async function sendRejectedRequests(url: string, execute: Execute, token: string): Promise<void> {
  await execute(null, documents.users);
  await execute(token, documents.users);
  await execute(token, '{ employees { nodes { id } } }');
  for (const body of [
    '{ "query": ',
    JSON.stringify({ query: documents.users, variables: { none: 'x'.repeat(limits.bodyBytes) } }),
  ]) {
    const response = await post(url, token, body);
    await response.body?.cancel();
  }
  const anonymousStream = await openStream(url, null);
  await anonymousStream.body?.cancel();
}

/** Sends twice the permitted rate, authenticated and anonymous. */
async function exceedRateLimits(execute: Execute, token: string): Promise<void> {
  await Promise.all([
    ...Array.from({ length: limits.perViewer * 2 }, () => execute(token, documents.users)),
    ...Array.from({ length: limits.perAddress * 2 }, () => execute(null, documents.users)),
  ]);
}

const openStream = (url: string, token: string | null, signal: AbortSignal | null = null): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    signal,
    body: JSON.stringify({ query: documents.follow }),
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
  });

/** Reads events until the load ends. */
async function subscribe(url: string, token: string, until: number): Promise<void> {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), until - Date.now());
  try {
    const stream = await openStream(url, token, end.signal);
    await stream.text();
  } catch (error) {
    if (!end.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Opens a stream and cancels it. */
async function subscribeAndCancel(url: string, token: string): Promise<void> {
  const stream = await openStream(url, token);
  await stream.body?.cancel();
}
