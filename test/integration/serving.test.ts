import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { codesOf, startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { makeIrisStore, type IrisStore } from '../kit/iris-store.js';

const flowers = (count: number, from = 1) => Array.from({ length: count }, (_, index) => ({ petal_length: from + index / 1000, petal_width: 1 }));
const predict = 'query ($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { source ageSeconds output } }';

/** A gateway whose iris has these lines in its manifest. */
async function start(serving: string, versions: number[]): Promise<{ gateway: TestGateway; store: IrisStore }> {
  const store = await makeIrisStore({ versions, manifest: `current: 1\nserving: ${serving}` });
  return { store, gateway: await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '20', PREDICTION_CACHE_TTL_SECONDS: '1' }) };
}

const statistics = async (gateway: TestGateway): Promise<Any> => {
  const answer = await gateway.ask<Any>('admin', '{ model(name: "iris") { current { statistics { successes failures rows runs pending cacheHits cacheMisses } } } }');
  return answer.data.model.current.statistics;
};

describe('over HTTP', () => {
  let gateway: TestGateway;
  let store: IrisStore;

  const serve = async (serving: string, versions = [1]) => ({ gateway, store } = await start(serving, versions));

  afterEach(async () => {
    await gateway.close();
    await store.remove();
  });

  it('refuses what does not fit into the queue with 503 and Retry-After, and answers what does', async () => {
    await serve('{ max_queue: 3 }');
    const refused = await gateway.ask('user', predict, { inputs: flowers(4) });
    expect([refused.status, codesOf(refused), refused.headers.get('retry-after')]).toEqual([503, ['OVERLOADED'], '1']);
    expect(refused.errors[0]?.message).toBe('Too many predictions are waiting for this model. Try again in 1 s.');

    const answered = await gateway.ask('user', predict, { inputs: flowers(3) });
    expect([answered.status, codesOf(answered)]).toEqual([200, []]);
    expect(await statistics(gateway)).toMatchObject({ successes: 1, failures: 1, rows: 3, runs: 1, pending: 0 });
    const history = await gateway.ask<Any>('admin', '{ predictions { totalCount } }');
    expect(history.data.predictions.totalCount).toBe(3);
  });

  it('answers TIMEOUT with 504 past the deadline, and frees the place', async () => {
    await serve('{ deadline_ms: 60, window_ms: 1000, max_queue: 2 }');
    const late = await gateway.ask('user', predict, { inputs: flowers(2) });
    expect([late.status, codesOf(late)]).toEqual([504, ['TIMEOUT']]);
    expect(late.errors[0]?.message).toBe('The model did not answer within 60 ms.');
    expect(await statistics(gateway)).toMatchObject({ failures: 1, rows: 0, pending: 0 });
    expect(codesOf(await gateway.ask('user', predict, { inputs: flowers(2, 3) }))).toEqual(['TIMEOUT']);
  });

  it('gives an expired answer with its age where the model is late and the manifest allows it, and records it so', async () => {
    await serve('{ stale_seconds: 60 }');
    expect((await gateway.ask<Any>('user', predict, { inputs: flowers(1) })).data.predict[0].source).toBe('MODEL');
    await sleep(1100);
    await store.writeManifest('current: 1\nserving: { stale_seconds: 60, deadline_ms: 60, window_ms: 1000 }');
    // A row that was never asked for has nothing that could stand in.
    for (let petal = 2; codesOf(await gateway.ask('user', predict, { inputs: flowers(1, petal) })).length === 0; petal += 0.01) await sleep(20);

    const late = await gateway.ask<Any>('user', predict, { inputs: flowers(1) });
    expect([late.status, codesOf(late)]).toEqual([200, []]);
    const [{ source, ageSeconds, output }] = late.data.predict;
    expect([source, output.species]).toEqual(['STALE', 'setosa']);
    expect(ageSeconds).toBeGreaterThan(1);
    const typed = await gateway.ask<Any>('user', '{ predictIris(inputs: [{ petalLength: 1, petalWidth: 1 }]) { source species } }');
    expect(typed.data.predictIris).toEqual([{ source: 'STALE', species: 'setosa' }]);
    const history = await gateway.ask<Any>('admin', '{ predictions(filter: { source: STALE }) { nodes { source ageSeconds } } }');
    expect(history.data.predictions.nodes).toHaveLength(2);
    expect(history.data.predictions.nodes[1]).toEqual({ source, ageSeconds });
  });

  it('runs nothing for a caller who has hung up, and records nothing', async () => {
    await serve('{ window_ms: 400, deadline_ms: 10000 }');
    const token = await gateway.tokenOf('user');
    const sent = request(gateway.url, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` } });
    sent.on('error', () => undefined);
    sent.end(JSON.stringify({ query: predict, variables: { inputs: flowers(5) } }));
    while ((await statistics(gateway)).pending === 0) await sleep(10);
    sent.destroy();
    while ((await statistics(gateway)).pending > 0) await sleep(10);
    await sleep(500);
    expect(await statistics(gateway)).toMatchObject({ successes: 0, failures: 0, rows: 0, runs: 0, pending: 0 });
    expect(await gateway.db.selectFrom('prediction').select('id').execute()).toEqual([]);
  });

  it('runs the rows of aliases, operations and clients of the same moment together', async () => {
    await serve('{ window_ms: 150 }');
    const aliases = `{
      one: predict(model: "iris", inputs: [{ petal_length: 1.5, petal_width: 1 }]) { source }
      two: predictIris(inputs: [{ petalLength: 2.5, petalWidth: 1 }, { petalLength: 1.5, petalWidth: 1 }]) { source species }
    }`;
    const answers = await Promise.all([
      gateway.ask<Any>('user', aliases),
      gateway.ask<Any>('admin', predict, { inputs: flowers(2, 5) }),
      gateway.ask<Any>('manager', predict, { inputs: flowers(3, 5) }),
    ]);
    expect(answers.flatMap(codesOf)).toEqual([]);
    expect(await statistics(gateway)).toMatchObject({ runs: 1, rows: 5, cacheMisses: 5 });
  });

  it('follows the manifest while serving', async () => {
    await serve('{ max_queue: 1 }');
    expect(codesOf(await gateway.ask('user', predict, { inputs: flowers(2) }))).toEqual(['OVERLOADED']);
    await store.writeManifest('current: 1\nserving: { max_queue: 2 }');
    while (codesOf(await gateway.ask('user', predict, { inputs: flowers(2) })).length > 0) await sleep(20);
    expect((await statistics(gateway)).successes).toBe(1);
  });

  it('serves on, and tells what is wrong, where the folder breaks', async () => {
    await serve('{ max_queue: 100 }');
    await store.writeManifest('current: 7');
    const problems = async (asker: 'admin' | 'user') => gateway.ask<Any>(asker, '{ model(name: "iris") { problems } }');
    while ((await problems('admin')).data.model.problems.length === 0) await sleep(20);
    const told = 'iris/model.yaml:5: current is 7, which is not there; there is 1';
    expect((await problems('admin')).data.model.problems).toEqual([told]);
    expect(codesOf(await problems('user'))).toEqual(['FORBIDDEN']);
    expect(codesOf(await gateway.ask('user', predict, { inputs: flowers(2) }))).toEqual([]);

    const readiness = await fetch(new URL('/readyz', gateway.url));
    const { parts }: Any = await readiness.json();
    expect([readiness.status, parts.models]).toEqual([200, { isRequired: true, isUp: true, detail: `1 loaded; broken: iris: ${told}` }]);
    expect(await (await fetch(new URL('/metrics', gateway.url))).text()).toContain('auspex_model_problems{model="iris"} 1');
    expect(gateway.logs.filter(({ msg }) => msg === 'a changed model was not taken up; what serves goes on')).toMatchObject([{ model: 'iris', problems: [told] }]);
  });

  it('stops a canary that is too slow, for good and without a call that fails', async () => {
    await serve('{ window_ms: 15 }\ncanary: { version: 2, percent: 100, max_p95_ms: 5, min_calls: 5 }', [1, 2]);
    const versions: number[] = [];
    for (let call = 0; call < 8; call += 1) {
      const answer = await gateway.ask<Any>('user', `{ predictIris(inputs: [{ petalLength: ${1 + call / 10}, petalWidth: 1 }]) { version } }`);
      expect(codesOf(answer)).toEqual([]);
      versions.push(answer.data.predictIris[0].version);
    }
    expect(versions).toEqual([2, 2, 2, 2, 2, 1, 1, 1]);

    const { data } = await gateway.ask<Any>('admin', '{ model(name: "iris") { canary { version stopped } } }');
    expect(data.model.canary).toEqual({ version: 2, stopped: expect.stringMatching(/^one call in twenty took .* ms or more; max_p95_ms is 5$/) });
    const kept = () => gateway.db.selectFrom('model_deployment').select(['model', 'stopped_canary_reason as reason']).execute();
    while ((await kept()).length === 0) await sleep(20);
    expect(await kept()).toEqual([{ model: 'iris', reason: data.model.canary.stopped }]);
    expect(await (await fetch(new URL('/metrics', gateway.url))).text()).toMatch(/auspex_model_canary_stopped\{model="iris",version="2"\} 1/);
  });
});
