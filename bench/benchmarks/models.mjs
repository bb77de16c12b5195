/* Predictions as the number of models grows: single rows that no cache has, spread over all models. */
import { randomBytes } from 'node:crypto';
import { copiesOfModel, gatewayProgram, imageVariables, startProgram } from '../support/gateway-process.mjs';
import { assertLinux, cpuMsOf, memoryMbOf } from '../support/processes.mjs';
import {
  gatewayEnvironment,
  median,
  newCar,
  signIn,
  startClient,
  startPostgres,
  temporaryFolder,
} from '../support/setup.mjs';

const modelCounts = [1, 8, 32];
const rounds = 5;
const seconds = 3;
const connections = 64;
/** More than a round sends, so that no row is sent twice. */
const rowsPerRound = 30_000;

const query = 'query ($model: String!, $inputs: [JSONObject!]!) { predict(model: $model, inputs: $inputs) { output } }';

assertLinux();
await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const environment = {
  ...gatewayEnvironment(dir, await startPostgres(resources, dir)),
  ...imageVariables,
  JWT_SECRET: randomBytes(48).toString('base64url'),
  METRICS_PORT: '0',
};
const send = startClient(resources);

const gateways = [];
for (const count of modelCounts) {
  const variables = { ...environment, MODEL_STORE: await copiesOfModel(dir, count) };
  const { child, origin } = await startProgram(resources, gatewayProgram, variables);
  gateways.push({ count, child, url: `${origin}/graphql`, token: await signIn(`${origin}/graphql`), figures: [] });
}
for (let round = -1; round < rounds; round++)
  // Alternate the order, so that drift of the machine favors no number.
  for (const gateway of round % 2 === 0 ? gateways : gateways.toReversed()) {
    const figures = await measure(gateway);
    if (round >= 0) gateway.figures.push(figures);
  }
console.table(Object.fromEntries(await Promise.all(gateways.map(row))));

async function measure({ count, child, url, token }) {
  const bodies = Array.from({ length: rowsPerRound }, (_none, index) =>
    JSON.stringify({ query, variables: { model: `car-price-${1 + (index % count)}`, inputs: [newCar()] } }),
  );
  const before = await cpuMsOf(child.pid);
  const { perSecond, p50Ms, p99Ms } = await send({ url, token, bodies, connections, seconds });
  const cpuMs = ((await cpuMsOf(child.pid)) - before) / (perSecond * seconds);
  return { cpuMs, perSecond, p50Ms, p99Ms };
}

async function row({ count, child, figures }) {
  const of = (name) => median(figures.map((one) => one[name]));
  const [rss] = await memoryMbOf(child.pid, ['VmRSS']);
  return [
    `${count} ${count === 1 ? 'model' : 'models'}`,
    {
      'CPU, ms per prediction': of('cpuMs').toFixed(3),
      'predictions/s': Math.round(of('perSecond')),
      'p50, ms': of('p50Ms').toFixed(1),
      'p99, ms': of('p99Ms').toFixed(1),
      'RSS, MB': Math.round(rss),
    },
  ];
}
