import { setTimeout as sleep } from 'node:timers/promises';
import { documents } from './documents.ts';
import { limits, type Setting } from './setting.ts';

type Variables = Record<string, unknown>;

/** Asks as a client does; the answer's data, or null where there is none. */
type Ask = (token: string | null, document: string, variables?: Variables) => Promise<unknown>;

const demoPassword = 'auspex-demo-2026';
/** Between two rounds of an ordinary caller. */
const pauseMs = 250;

/**
 * Has people of all kinds at work for so many seconds: those who read, change, predict and listen, those who are not allowed to, try
 * passwords, ask too often, or send what nobody released.
 */
export async function driveLoad({ url }: Setting, seconds: number): Promise<void> {
  const until = Date.now() + seconds * 1000;
  const ask = asking(url);
  const [admin, manager, user] = await Promise.all([signIn(ask, 'admin'), signIn(ask, 'manager'), signIn(ask, 'user')]);
  const again = (task: (round: number) => Promise<unknown>, everyMs = pauseMs): Promise<void> => repeat(task, everyMs, until);

  await Promise.all([
    again(() => readPages(ask, user)),
    again(() => ask(manager, documents.departments)),
    again(() => ask(user, documents.departments)),
    again((round) => renameSomebody(ask, admin, round), 500),
    ...[admin, manager, user].map((token) => again((round) => predict(ask, token, round))),
    listen(url, user, until),
    again(() => leaveSoon(url, manager), 2000),
    again(() => tryPassword(ask, 'user', demoPassword), 1000),
    again(() => tryPassword(ask, 'nobody', 'a wrong password'), 1000),
    again(() => goAstray(url, ask, user), 1000),
    again(() => beGreedy(ask, manager), 3000),
  ]);
}

async function repeat(task: (round: number) => Promise<unknown>, everyMs: number, until: number): Promise<void> {
  for (let round = 0; Date.now() < until; round += 1) {
    await task(round);
    await sleep(everyMs);
  }
}

function asking(url: string): Ask {
  return async (token, query, variables = {}) => {
    const response = await post(url, token, JSON.stringify({ query, variables }));
    const { data } = (await response.json()) as { data?: unknown };
    return data ?? null;
  };
}

const post = (url: string, token: string | null, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers } });

/** @throws Error where nobody is signed in: without it there is no load */
async function signIn(ask: Ask, account: string): Promise<string> {
  const data = (await tryPassword(ask, account, demoPassword)) as { login: { accessToken: string } } | null;
  if (!data) throw new Error(`${account}@example.com cannot sign in.`);
  return data.login.accessToken;
}

/** Wrong ones again and again, and the account is throttled in the end. */
const tryPassword = (ask: Ask, account: string, password: string): Promise<unknown> =>
  ask(null, documents.signIn, { input: { email: `${account}@example.com`, password } });

async function readPages(ask: Ask, token: string): Promise<void> {
  const first = (await ask(token, documents.employees)) as { employees: { pageInfo: { endCursor: string } } } | null;
  if (first) await ask(token, documents.employees, { after: first.employees.pageInfo.endCursor });
}

async function renameSomebody(ask: Ask, token: string, round: number): Promise<void> {
  const data = (await ask(token, documents.someEmployees)) as { employees: { nodes: { id: string }[] } } | null;
  const id = data?.employees.nodes[0]?.id;
  if (id !== undefined) await ask(token, documents.renameJob, { id, input: { jobTitle: `Job ${round}` } });
}

/** Rows that are new, rows that were asked before, many at once, and such as the model does not take. */
async function predict(ask: Ask, token: string, round: number): Promise<void> {
  const flower = (at: number) => ({ petal_length: 1 + (at % 5000) / 1000, petal_width: 1 });
  const car = { company: 'Maruti', year: 2014, km_driven: 90_000 + round };
  await Promise.all([
    ask(token, documents.species, { inputs: [flower(round)] }),
    ask(token, documents.species, { inputs: [flower(0)] }),
    ask(token, documents.species, { inputs: Array.from({ length: 20 }, (_none, at) => flower(round * 20 + at)) }),
    ask(token, documents.prices, { inputs: [car] }),
    ask(token, documents.pricesInEuro, { inputs: [car] }),
    ask(token, documents.prices, { inputs: [{ company: 'Maruti', year: 'long ago' }] }),
  ]);
}

/** What is refused: for want of a credential, of a right, of form, of measure, of a release. */
async function goAstray(url: string, ask: Ask, token: string): Promise<void> {
  await ask(null, documents.users);
  await ask(token, documents.users);
  await ask(token, '{ employees { nodes { id } } }');
  for (const body of ['{ "query": ', JSON.stringify({ query: documents.users, variables: { none: 'x'.repeat(limits.bodyBytes) } })]) {
    const response = await post(url, token, body);
    await response.body?.cancel();
  }
  const stranger = await openStream(url, null);
  await stranger.body?.cancel();
}

/** Twice as much as a caller may ask, with a credential and without. */
async function beGreedy(ask: Ask, token: string): Promise<void> {
  await Promise.all([
    ...Array.from({ length: limits.perViewer * 2 }, () => ask(token, documents.users)),
    ...Array.from({ length: limits.perAddress * 2 }, () => ask(null, documents.users)),
  ]);
}

const openStream = (url: string, token: string | null, signal: AbortSignal | null = null): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    signal,
    body: JSON.stringify({ query: documents.follow }),
    headers: { accept: 'text/event-stream', 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
  });

/** Reads events until the end. */
async function listen(url: string, token: string, until: number): Promise<void> {
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

/** Opens a stream and goes away. */
async function leaveSoon(url: string, token: string): Promise<void> {
  const stream = await openStream(url, token);
  await stream.body?.cancel();
}
