import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClient } from 'graphql-sse';
import { modelUuid } from '../../src/domains/model/model.loaders.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { makeIrisStore, type IrisStore } from '../support/iris-store.js';
import { statementsOf } from '../support/statements.js';
import {
  listen,
  openEvents,
  rawSocket,
  socketClient,
  upgradeStatus,
  socketUrl,
  type ReceivedEvents,
} from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

describe('streams of a gateway whose models change', () => {
  let store: IrisStore;
  let gateway: TestGateway;
  let authorization: string;
  beforeAll(async () => {
    store = await makeIrisStore({ versions: [1, 2] });
    gateway = await startGateway({ MODEL_STORE: store.dir, MODEL_STORE_POLL_MS: '50' });
    authorization = `Bearer ${(await gateway.signIn('admin')).token}`;
  });
  afterAll(async () => {
    await gateway.close();
    await store.remove();
  });

  const changes = async (name?: string): Promise<ReceivedEvents> => {
    const query =
      'subscription ($name: String) { modelChanged(name: $name) { kind name modelId model { id name current { version } versions { version } canary { version } } } }';
    const { received, rejection } = await openEvents(gateway.url, {
      headers: { authorization },
      body: { query, variables: { name } },
    });
    expect(rejection).toBeNull();
    return received;
  };
  const change = (kind: string, current: number, versions: number[], canary: number | null = null) => ({
    data: {
      modelChanged: {
        kind,
        name: 'iris',
        modelId: encodeId('model', modelUuid('iris')),
        model: {
          id: encodeId('model', modelUuid('iris')),
          name: 'iris',
          current: { version: current },
          versions: versions.map((version) => ({ version })),
          canary: canary && { version: canary },
        },
      },
    },
  });

  it('report added, removed and changed models, and nothing if the served versions are unchanged', async () => {
    const [all, own, other] = [await changes(), await changes('iris'), await changes('no-such-model')];
    await gateway.execute('admin', 'mutation { promoteModel(name: "iris", version: 2) { name } }');
    expect(await all.next()).toEqual(change('UPDATED', 2, [1, 2]));
    await store.addVersion(3);
    expect(await all.next()).toEqual(change('UPDATED', 2, [1, 2, 3]));
    await store.writeManifest('current: 1\nserving: { canary: nonsense }');
    await waitUntil(
      () => gateway.logs.some(({ msg }) => msg === 'model reload failed; keeping current version'),
      'The rejection',
    );
    await store.writeManifest('current: 1');
    await gateway.execute('admin', 'mutation { rollbackModel(name: "iris") { name } }');
    expect(await all.next()).toEqual(change('UPDATED', 1, [1, 2, 3]));
    expect(own.results).toEqual(all.results);
    expect(other.results).toEqual([]);
    for (const received of [all, own, other]) received.stop();
  });

  it('continue across schema changes, and report added and removed models', async () => {
    const received = await changes('iris-two');
    const { cp, rename, rm } = await import('node:fs/promises');
    await cp(`${store.dir}/iris`, `${store.dir}-draft`, { recursive: true });
    await rename(`${store.dir}-draft`, `${store.dir}/iris-two`);
    expect((await received.next()).data.modelChanged).toMatchObject({
      kind: 'CREATED',
      name: 'iris-two',
      model: { name: 'iris-two' },
    });
    await waitUntil(() => gateway.logs.some(({ msg }) => msg === 'schema updated'), 'The new schema');
    await rm(`${store.dir}/iris-two`, { recursive: true });
    expect((await received.next()).data.modelChanged).toEqual({
      kind: 'DELETED',
      name: 'iris-two',
      modelId: encodeId('model', modelUuid('iris-two')),
      model: null,
    });
    received.stop();
  });
});

describe('an event for many streams', () => {
  it('takes as many statements as for one stream', async () => {
    const gateway = await startGateway({ MAX_LOGINS_PER_ACCOUNT: '1000' });
    try {
      const token = (await gateway.signIn('admin')).token;
      const query =
        'subscription ($filter: EmployeeFilter) { employeeChanged(filter: $filter) { kind employee { id name department { name } manager { name department { name } } } } }';
      const client = socketClient(gateway.url, { authorization: `Bearer ${token}` });
      const received = Array.from({ length: 50 }, (_, at) =>
        listen(client, query, { filter: at % 2 ? { search: at % 4 === 1 ? 'A' : 'E' } : {} }),
      );
      const opened = () => gateway.logs.filter(({ msg }) => msg === 'stream opened').length;
      await waitUntil(() => opened() === 50, 'All streams');
      const { id } = await gateway.db
        .selectFrom('employee')
        .select('id')
        .where('name', 'ilike', '%a%e%')
        .limit(1)
        .executeTakeFirstOrThrow();
      const set = (age: number) =>
        gateway.execute(
          { token },
          'mutation ($id: ID!, $age: Int) { updateEmployee(id: $id, input: { age: $age }) { id } }',
          { id: encodeId('employee', id), age },
        );
      const statements = await statementsOf(async () => {
        expect((await set(33)).errors).toEqual([]);
        await waitUntil(() => received.every(({ results }) => results.length === 1), 'The event at each stream');
      });
      const eventStatements = statements.filter((text) =>
        / as search \(pattern, index\)|left join "auspex"\."employee" as "manager"/.test(text),
      );
      expect(eventStatements).toHaveLength(2);
      expect(statements.length).toBeLessThan(15);
      await client.dispose();
      await waitUntil(() => gateway.logs.filter(({ msg }) => msg === 'stream ended').length === 50);
      // Without subscribers an update sends no event statements.
      const silent = await statementsOf(() => set(34));
      expect(
        silent.filter((text) => /ilike search\.pattern|left join "auspex"\."employee" as "manager"/.test(text)),
      ).toEqual([]);
    } finally {
      await gateway.close();
    }
  });
});

describe('a shutdown', () => {
  it('ends every stream immediately and accepts no new ones', async () => {
    const gateway = await startGateway();
    const { token } = await gateway.signIn('admin');
    const authorization = `Bearer ${token}`;
    const query = 'subscription { modelChanged { kind } }';
    const closed: AnyData[] = [];
    const client = socketClient(gateway.url, { authorization }, { on: { closed: (event) => closed.push(event) } });
    const overSocket = listen(client, query);
    const { received } = await openEvents(gateway.url, { headers: { authorization }, body: { query } });
    const idle = await rawSocket(gateway.url);
    await waitUntil(() => gateway.logs.filter(({ msg }) => msg === 'stream opened').length === 2, 'Both streams');
    // A client that never completes the close handshake must not delay the shutdown.
    const deaf = await rawSocket(gateway.url);
    deaf.socket.pause();
    const startedAt = performance.now();
    const closing = gateway.close();
    expect(await received.ended).toBe('cut');
    expect(await overSocket.ended).toMatchObject({
      code: 1001,
      reason: 'The replica is shutting down; reconnect.',
    });
    expect(await idle.closed).toMatchObject({ code: 1001 });
    expect(closed[0]).toMatchObject({ code: 1001 });
    await closing;
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    const ends = gateway.logs
      .filter(({ msg }) => msg === 'stream ended')
      .map(({ reason, transport, operation, events }) => ({ reason, transport, operation, events }));
    expect(ends).toEqual(
      expect.arrayContaining([
        { reason: 'shutdown', transport: 'websocket', operation: null, events: 0 },
        { reason: 'shutdown', transport: 'sse', operation: null, events: 0 },
      ]),
    );
    await expect(fetch(gateway.url)).rejects.toThrow();
    deaf.socket.terminate();
  });

  it('lets a graphql-ws client reconnect to another replica', async () => {
    const [one, other] = await Promise.all([startGateway(), startGateway()]);
    const tokens = {
      [socketUrl(one.url)]: (await one.signIn('admin')).token,
      [socketUrl(other.url)]: (await other.signIn('admin')).token,
    };
    let url = socketUrl(one.url);
    const client = socketClient(
      one.url,
      {},
      { url: () => url, connectionParams: () => ({ authorization: `Bearer ${tokens[url] ?? ''}` }), retryAttempts: 5 },
    );
    const received = listen(client, 'subscription { modelChanged { kind name } }');
    const isOpenAt = (gateway: TestGateway) => gateway.logs.some(({ msg }) => msg === 'stream opened');
    await waitUntil(() => isOpenAt(one));
    url = socketUrl(other.url);
    await one.close();
    await waitUntil(() => isOpenAt(other), 'The stream at the other');
    received.stop();
    await client.dispose();
    expect(await upgradeStatus(url, {})).toBe(101);
    await other.close();
  });

  it('lets a graphql-sse client reconnect to another replica', async () => {
    const [one, other] = await Promise.all([startGateway(), startGateway()]);
    const tokens = { [one.url]: (await one.signIn('admin')).token, [other.url]: (await other.signIn('admin')).token };
    let url = one.url;
    const client = createClient({
      url: () => url,
      headers: () => ({ authorization: `Bearer ${tokens[url] ?? ''}` }),
      fetchFn: fetch,
      retryAttempts: 5,
    });
    const responses: AnyData[] = [];
    const errors: unknown[] = [];
    const stop = client.subscribe(
      { query: 'subscription { predictionRecorded { source } }' },
      { next: (response) => responses.push(response), error: (error) => errors.push(error), complete: () => {} },
    );
    const isOpenAt = (gateway: TestGateway) => gateway.logs.some(({ msg }) => msg === 'stream opened');
    const predict = (gateway: TestGateway) =>
      gateway.execute('user', '{ predict(model: "iris", inputs: [{ petal_length: 4.0, petal_width: 1.35 }]) { id } }');
    await waitUntil(() => isOpenAt(one), 'The stream at the first');
    await predict(one);
    await waitUntil(() => responses.length === 1, 'The event of the first');
    url = other.url;
    await one.close();
    await waitUntil(() => isOpenAt(other), 'The stream at the other');
    await predict(other);
    await waitUntil(() => responses.length === 2, 'The event of the other');
    expect(responses).toEqual(Array(2).fill({ data: { predictionRecorded: { source: 'MODEL' } } }));
    expect(errors).toEqual([]);
    stop();
    client.dispose();
    await other.close();
  });
});
