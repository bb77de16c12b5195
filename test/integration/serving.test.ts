import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { makeIrisStore, type IrisStore } from '../support/iris-store.js';
import { waitUntil } from '../support/wait-until.js';

const flowers = (count: number, from = 1) =>
  Array.from({ length: count }, (_, index) => ({ petal_length: from + index / 1000, petal_width: 1 }));
const predict =
  'query ($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { source ageSeconds output } }';

/** Starts a gateway with these serving options in the manifest of iris. */
async function start(serving: string, versions: number[]): Promise<{ gateway: TestGateway; store: IrisStore }> {
  const store = await makeIrisStore({ versions, manifest: `current: 1\nserving: ${serving}` });
  return {
    store,
    gateway: await startGateway({
      MODEL_STORE: store.dir,
      MODEL_STORE_POLL_MS: '20',
      PREDICTION_CACHE_TTL_SECONDS: '1',
    }),
  };
}

const statistics = async (gateway: TestGateway): Promise<AnyData> => {
  const response = await gateway.execute<AnyData>(
    'admin',
    '{ model(name: "iris") { current { statistics { successes failures rows runs pending cacheHits cacheMisses } } } }',
  );
  return response.data.model.current.statistics;
};

describe('a model served over HTTP', () => {
  let gateway: TestGateway;
  let store: IrisStore;

  const serve = async (serving: string, versions = [1]) => ({ gateway, store } = await start(serving, versions));

  afterEach(async () => {
    await gateway.close();
    await store.remove();
  });

  it('rejects rows beyond the queue limit with 503 and Retry-After, and serves the others', async () => {
    await serve('{ max_queue: 3 }');
    const rejected = await gateway.execute('user', predict, { inputs: flowers(4) });
    expect([rejected.status, codesOf(rejected), rejected.headers.get('retry-after')]).toEqual([
      503,
      ['OVERLOADED'],
      '1',
    ]);
    expect(rejected.errors[0]?.message).toBe('Too many predictions are queued for this model. Try again in 1 s.');

    const returned = await gateway.execute('user', predict, { inputs: flowers(3) });
    expect([returned.status, codesOf(returned)]).toEqual([200, []]);
    expect(await statistics(gateway)).toMatchObject({ successes: 1, failures: 1, rows: 3, runs: 1, pending: 0 });
    const history = await gateway.execute<AnyData>('user', '{ predictions { totalCount } }');
    expect(history.data.predictions.totalCount).toBe(3);
  });

  it('lists a new folder that cannot be served for ADMIN alone, until it is repaired or removed', async () => {
    await serve('{ max_queue: 3 }');
    const list =
      '{ models { id name title current { version } versions { version } problems } model(name: "tulip") { name } }';
    const models = async (caller: 'admin' | 'user') => {
      const { data } = await gateway.execute<AnyData>(caller, list);
      return { names: data.models.map(({ name }: AnyData) => name as string), tulip: data.models[1], one: data.model };
    };
    const tulips = path.join(store.dir, 'tulip');
    const waitUntilListed = (isListed: boolean): Promise<void> =>
      waitUntil(async () => (await models('admin')).names.includes('tulip') === isListed);

    await mkdir(tulips);
    await writeFile(path.join(tulips, 'model.yaml'), 'title: Tulip\nversions: all\n');
    await waitUntilListed(true);
    const { tulip, one, names } = await models('admin');
    expect(names).toEqual(['iris', 'tulip']);
    expect(tulip).toEqual({
      id: expect.stringMatching(/^model_/),
      ...{ name: 'tulip', title: 'tulip', current: null, versions: [] },
      problems: ['tulip has no version; put the model at tulip/1/model.onnx'],
    });
    expect(one).toEqual({ name: 'tulip' });
    const node = `{ node(id: "${tulip.id}") { ... on Model { name problems } } }`;
    expect((await gateway.execute<AnyData>('admin', node)).data.node).toEqual({
      name: 'tulip',
      problems: tulip.problems,
    });

    // How a model is operated is for ADMIN.
    expect(await models('user')).toEqual({ names: ['iris'], tulip: undefined, one: null });
    expect((await gateway.execute<AnyData>('user', node)).data.node).toBeNull();
    expect(codesOf(await gateway.execute(null, '{ models { name } }'))).toEqual(['UNAUTHENTICATED']);
    const predicted = await gateway.execute('admin', '{ predict(model: "tulip", inputs: [{}]) { output } }');
    expect(codesOf(predicted)).toEqual(['BAD_USER_INPUT']);
    expect(
      codesOf(await gateway.execute('admin', 'mutation { promoteModel(name: "tulip", version: 1) { name } }')),
    ).toEqual(['NOT_FOUND']);

    await rm(tulips, { recursive: true });
    await waitUntilListed(false);

    // A copy of iris under another name; its first file arrives without the rest.
    await mkdir(tulips);
    await cp(path.join(store.dir, 'iris', 'model.yaml'), path.join(tulips, 'model.yaml'));
    await waitUntilListed(true);
    await cp(path.join(store.dir, 'iris', '1'), path.join(tulips, '1'), { recursive: true });
    await waitUntil(async () => (await models('user')).names.includes('tulip'));
    expect((await models('admin')).tulip).toMatchObject({ current: { version: 1 }, problems: [] });
    expect(gateway.logs.find(({ msg, model }) => msg === 'model version loaded' && model === 'tulip')).toMatchObject({
      level: 'info',
      modelVersion: 1,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      durationMs: expect.any(Number),
    });
  });

  it('records the predictions that the manifest says, without inputs if it says so', async () => {
    await serve('{}');
    const run = 'query ($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { id input output } }';
    const history = '{ predictions(first: 100) { totalCount nodes { input output } } }';
    const read = async () => (await gateway.execute<AnyData>('user', history)).data.predictions;
    /** Predicts rows until the manifest has taken effect: the history then grows as expected. */
    const grows = async (count: number, min: number, max: number): Promise<void> => {
      const before = (await read()).totalCount as number;
      const { data, errors } = await gateway.execute<AnyData>('user', run, { inputs: flowers(count) });
      expect(errors).toEqual([]);
      expect(data.predict.every((row: AnyData) => row.input.petal_length > 0)).toBe(true);
      const grown = ((await read()).totalCount as number) - before;
      expect([grown >= min, grown <= max, grown]).toEqual([true, true, grown]);
    };
    const setHistory = async (rule: string, takesEffect: () => Promise<boolean>): Promise<void> => {
      await store.writeManifest(`current: 1\nhistory: ${rule}`);
      await waitUntil(takesEffect);
    };
    const recordsOne = async (): Promise<boolean> => {
      const before = (await read()).totalCount as number;
      await gateway.execute('user', run, { inputs: flowers(1) });
      return (await read()).totalCount > before;
    };

    await grows(10, 10, 10);
    await setHistory('none', async () => !(await recordsOne()));
    await grows(10, 0, 0);
    const [unrecorded] = (await gateway.execute<AnyData>('user', run, { inputs: flowers(1) })).data.predict;
    const node = await gateway.execute<AnyData>('user', 'query ($id: ID!) { node(id: $id) { id } }', {
      id: unrecorded.id,
    });
    expect([unrecorded.id, node.data]).toEqual([expect.stringMatching(/^prediction_/), { node: null }]);

    await setHistory('{ redact: [inputs] }', recordsOne);
    await grows(5, 5, 5);
    const [last] = (await read()).nodes;
    expect(last).toEqual({ input: {}, output: expect.objectContaining({ species: 'setosa' }) });

    await setHistory('{ sampled: 0.3 }', async () => !(await recordsOne()));
    await grows(1000, 200, 400);
  });

  it('starts with a model that fails its checks, reports it to ADMIN and operators, and serves the others', async () => {
    store = await makeIrisStore({ versions: [1] });
    const tulips = path.join(store.dir, 'tulip');
    await cp(path.join(store.dir, 'iris'), tulips, { recursive: true });
    await writeFile(path.join(tulips, '1', 'golden.jsonl'), '{"input": {}, "output": {}}\n');
    gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '20' });

    const list = '{ models { name current { version } problems } }';
    const problem = expect.stringMatching(/^tulip\/1\/SHA256SUMS:1: golden.jsonl is not the file that/) as string;
    expect((await gateway.execute<AnyData>('admin', list)).data.models).toEqual([
      { name: 'iris', current: { version: 1 }, problems: [] },
      { name: 'tulip', current: null, problems: [problem] },
    ]);
    expect((await gateway.execute<AnyData>('user', '{ models { name } }')).data.models).toEqual([{ name: 'iris' }]);
    expect(codesOf(await gateway.execute('user', predict, { inputs: flowers(1) }))).toEqual([]);

    const readiness = await fetch(new URL('/readyz', gateway.url));
    const { parts }: AnyData = await readiness.json();
    expect([readiness.status, parts.models.detail]).toEqual([
      200,
      expect.stringMatching(/^1 loaded; broken: tulip: tulip\/1\/SHA256SUMS:1: /),
    ]);
    const metrics = await (await fetch(new URL('/metrics', gateway.url))).text();
    expect(metrics).toContain('auspex_model_served{model="tulip"} 0');
    expect(metrics).toContain('auspex_model_served{model="iris"} 1');
    expect(metrics).toContain('auspex_model_problems{model="tulip"} 1');

    await cp(path.join(store.dir, 'iris', '1'), path.join(tulips, '1'), { recursive: true });
    const served = async () => (await gateway.execute<AnyData>('user', '{ models { name } }')).data.models as unknown[];
    await waitUntil(async () => (await served()).length === 2);
  });

  it('returns TIMEOUT with 504 past the deadline, and frees the queue slot', async () => {
    await serve('{ deadline_ms: 60, window_ms: 1000, max_queue: 2 }');
    const late = await gateway.execute('user', predict, { inputs: flowers(2) });
    expect([late.status, codesOf(late)]).toEqual([504, ['TIMEOUT']]);
    expect(late.errors[0]?.message).toBe('The model did not respond within 60 ms.');
    expect(await statistics(gateway)).toMatchObject({ failures: 1, rows: 0, pending: 0 });
    expect(codesOf(await gateway.execute('user', predict, { inputs: flowers(2, 3) }))).toEqual(['TIMEOUT']);
  });

  it('returns an expired prediction with its age past the deadline if the manifest allows it, and records it as STALE', async () => {
    await serve('{ stale_seconds: 60 }');
    expect((await gateway.execute<AnyData>('user', predict, { inputs: flowers(1) })).data.predict[0].source).toBe(
      'MODEL',
    );
    await sleep(1100);
    await store.writeManifest('current: 1\nserving: { stale_seconds: 60, deadline_ms: 60, window_ms: 1000 }');
    // A row that was never cached has no stale value.
    for (
      let petal = 2;
      codesOf(await gateway.execute('user', predict, { inputs: flowers(1, petal) })).length === 0;
      petal += 0.01
    )
      await sleep(20);

    const late = await gateway.execute<AnyData>('user', predict, { inputs: flowers(1) });
    expect([late.status, codesOf(late)]).toEqual([200, []]);
    const [{ source, ageSeconds, output }] = late.data.predict;
    expect([source, output.species]).toEqual(['STALE', 'setosa']);
    expect(ageSeconds).toBeGreaterThan(1);
    const typed = await gateway.execute<AnyData>(
      'user',
      '{ predictIris(inputs: [{ petalLength: 1, petalWidth: 1 }]) { source species } }',
    );
    expect(typed.data.predictIris).toEqual([{ source: 'STALE', species: 'setosa' }]);
    const history = await gateway.execute<AnyData>(
      'user',
      '{ predictions(filter: { source: STALE }) { nodes { source ageSeconds } } }',
    );
    expect(history.data.predictions.nodes).toHaveLength(2);
    expect(history.data.predictions.nodes[1]).toEqual({ source, ageSeconds });
  });

  it('runs and records nothing for a disconnected caller', async () => {
    await serve('{ window_ms: 400, deadline_ms: 10000 }');
    const token = await gateway.tokenOf('user');
    const sent = request(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    });
    sent.on('error', () => undefined);
    sent.end(JSON.stringify({ query: predict, variables: { inputs: flowers(5) } }));
    while ((await statistics(gateway)).pending === 0) await sleep(10);
    sent.destroy();
    while ((await statistics(gateway)).pending > 0) await sleep(10);
    await sleep(500);
    expect(await statistics(gateway)).toMatchObject({ successes: 0, failures: 0, rows: 0, runs: 0, pending: 0 });
    expect(await gateway.db.selectFrom('prediction').select('id').execute()).toEqual([]);
  });

  it('batches concurrent rows of aliases, operations and clients', async () => {
    await serve('{ window_ms: 150 }');
    const aliases = `{
      one: predict(model: "iris", inputs: [{ petal_length: 1.5, petal_width: 1 }]) { source }
      two: predictIris(inputs: [{ petalLength: 2.5, petalWidth: 1 }, { petalLength: 1.5, petalWidth: 1 }]) { source species }
    }`;
    const responses = await Promise.all([
      gateway.execute<AnyData>('user', aliases),
      gateway.execute<AnyData>('admin', predict, { inputs: flowers(2, 5) }),
      gateway.execute<AnyData>('manager', predict, { inputs: flowers(3, 5) }),
    ]);
    expect(responses.flatMap(codesOf)).toEqual([]);
    expect(await statistics(gateway)).toMatchObject({ runs: 1, rows: 5, cacheMisses: 5 });
  });

  it('follows the manifest while serving', async () => {
    await serve('{ max_queue: 1 }');
    expect(codesOf(await gateway.execute('user', predict, { inputs: flowers(2) }))).toEqual(['OVERLOADED']);
    await store.writeManifest('current: 1\nserving: { max_queue: 2 }');
    while (codesOf(await gateway.execute('user', predict, { inputs: flowers(2) })).length > 0) await sleep(20);
    expect((await statistics(gateway)).successes).toBe(1);
  });

  it('keeps serving if the folder becomes invalid, and reports the problem', async () => {
    await serve('{ max_queue: 100 }');
    await store.writeManifest('current: 7');
    const problems = async (caller: 'admin' | 'user') =>
      gateway.execute<AnyData>(caller, '{ model(name: "iris") { problems } }');
    while ((await problems('admin')).data.model.problems.length === 0) await sleep(20);
    const reported = 'iris/model.yaml:5: current is 7, which does not exist; versions: 1';
    expect((await problems('admin')).data.model.problems).toEqual([reported]);
    expect(codesOf(await problems('user'))).toEqual(['FORBIDDEN']);
    expect(codesOf(await gateway.execute('user', predict, { inputs: flowers(2) }))).toEqual([]);

    const readiness = await fetch(new URL('/readyz', gateway.url));
    const { parts }: AnyData = await readiness.json();
    expect([readiness.status, parts.models]).toEqual([
      200,
      { isRequired: true, isUp: true, detail: `1 loaded; broken: iris: ${reported}` },
    ]);
    expect(await (await fetch(new URL('/metrics', gateway.url))).text()).toContain(
      'auspex_model_problems{model="iris"} 1',
    );
    expect(gateway.logs.filter(({ msg }) => msg === 'model reload failed; keeping current version')).toMatchObject([
      { model: 'iris', problems: [reported] },
    ]);
  });

  it('stops a slow canary until it is restarted, without failed calls', async () => {
    await serve('{ window_ms: 15 }\ncanary: { version: 2, percent: 50, max_p95_ms: 5 }', [1, 2]);
    const versions: number[] = [];
    for (let call = 0; call < 60; call += 1) {
      const response = await gateway.execute<AnyData>(
        'user',
        `{ predictIris(inputs: [{ petalLength: ${1 + call / 20}, petalWidth: 1 }]) { version } }`,
      );
      expect(codesOf(response)).toEqual([]);
      versions.push(response.data.predictIris[0].version);
    }
    expect(versions).toContain(2);
    expect(versions.slice(-10)).toEqual(Array(10).fill(1));

    const { data } = await gateway.execute<AnyData>('admin', '{ model(name: "iris") { canary { version stopped } } }');
    expect(data.model.canary).toEqual({
      version: 2,
      stopped: expect.stringMatching(/^(\d+) of \1 calls took longer than max_p95_ms, 5;/),
    });
    const kept = () =>
      gateway.db.selectFrom('model_deployment').select(['model', 'stopped_canary_reason as reason']).execute();
    while ((await kept()).length === 0) await sleep(20);
    expect(await kept()).toEqual([{ model: 'iris', reason: data.model.canary.stopped }]);
    expect(await (await fetch(new URL('/metrics', gateway.url))).text()).toMatch(
      /auspex_model_canary_stopped\{model="iris",version="2"\} 1/,
    );
  });
});
