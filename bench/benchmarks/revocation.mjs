/* How soon a second replica rejects the access token of a user whom the first one deactivated. */
import { startGateway } from '../load/gateway.ts';
import { median, startPostgres, temporaryFolder } from '../support/setup.mjs';

const rounds = 15;

/** A replica that never rejects fails the benchmark. */
const maxMs = 10_000;

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const environment = {
  DATABASE_URL: await startPostgres(resources, dir),
  JWT_SECRET: 'vT5rQ0xYw8LkZp3BnM6sHd1FgJc9aEuI2o',
};
const one = await openReplica();
const other = await openReplica();
const admin = await signIn('admin');
const { me: user } = await send(other, await signIn('user'), '{ me { id } }');

const times = [];
for (let round = -1; round < rounds; round++) {
  const token = await signIn('user');
  await send(other, token, '{ me { id } }');
  const startMs = performance.now();
  const [changedMs, rejectedMs] = await Promise.all([setActive(false), firstRejection(token)]);
  if (round >= 0) times.push({ fromRequest: rejectedMs - startMs, fromResponse: Math.max(0, rejectedMs - changedMs) });
  await setActive(true);
}
for (const [name, label] of [
  ['fromRequest', 'the request'],
  ['fromResponse', 'the response'],
]) {
  const sorted = times.map((time) => time[name]).toSorted((a, b) => a - b);
  console.log(
    `rejected on the second replica after ${label} of setUserActive: median ${median(sorted).toFixed(0)} ms, longest ${sorted.at(-1).toFixed(0)} ms of ${rounds}`,
  );
}

/** @returns the time of the response */
async function setActive(isActive) {
  await send(
    one,
    admin,
    'mutation ($id: ID!, $isActive: Boolean!) { setUserActive(userId: $id, isActive: $isActive) { id } }',
    {
      id: user.id,
      isActive,
    },
  );
  return performance.now();
}

/** Sends a request after the other. @returns the time of the first rejection */
async function firstRejection(token) {
  const deadline = performance.now() + maxMs;
  while (performance.now() < deadline) {
    if ((await post(other, token, '{ me { id } }')).errors?.[0]?.extensions.code === 'UNAUTHENTICATED')
      return performance.now();
  }
  throw new Error(`The second replica accepted the token for ${maxMs} ms.`);
}

async function openReplica() {
  const gateway = await startGateway({ ...environment, RESPONSE_CACHE: 'false' });
  resources.defer(() => gateway.stop());
  return gateway.url;
}

async function signIn(name) {
  const query = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
  const data = await send(one, '', query, { input: { email: `${name}@example.com`, password: 'auspex-demo-2026' } });
  return data.login.accessToken;
}

async function send(url, token, query, variables) {
  const { data, errors } = await post(url, token, query, variables);
  if (errors) throw new Error(`${query}: ${errors[0].message}`);
  return data;
}

async function post(url, token, query, variables = {}) {
  const headers = { 'content-type': 'application/json', ...(token === '' ? {} : { authorization: `Bearer ${token}` }) };
  return (await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })).json();
}
