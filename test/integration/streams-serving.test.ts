import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClient } from 'graphql-sse';
import { encodeId } from '../../src/graphql/id.js';
import { startGateway, type Any, type TestGateway } from '../kit/gateway.js';
import { makeIrisStore, type IrisStore } from '../kit/iris-store.js';
import { statementsOf } from '../kit/statements.js';
import { listen, openEvents, rawSocket, socketClient, until, upgradeStatus, socketUrl, type Heard } from '../kit/streams.js';

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

  const changes = async (name?: string): Promise<Heard> => {
    const query = 'subscription ($name: String) { modelChanged(name: $name) { kind name model { name current { version } versions { version } canary { version } } } }';
    const { heard, refusal } = await openEvents(gateway.url, { headers: { authorization }, body: { query, variables: { name } } });
    expect(refusal).toBeNull();
    return heard;
  };
  const change = (kind: string, current: number, versions: number[], canary: number | null = null) => ({
    data: { modelChanged: { kind, name: 'iris', model: { name: 'iris', current: { version: current }, versions: versions.map((version) => ({ version })), canary: canary && { version: canary } } } },
  });

  it('tell which model came, went, or changed what it serves, and nothing where it serves what it did', async () => {
    const [all, own, other] = [await changes(), await changes('iris'), await changes('no-such-model')];
    await gateway.ask('admin', 'mutation { promoteModel(name: "iris", version: 2) { name } }');
    expect(await all.next()).toEqual(change('UPDATED', 2, [1, 2]));
    await store.addVersion(3);
    expect(await all.next()).toEqual(change('UPDATED', 2, [1, 2, 3]));
    await store.writeManifest('current: 1\nserving: { canary: nonsense }');
    await until(() => gateway.logs.some(({ msg }) => msg === 'a changed model was not taken up; what serves goes on'), 'The refusal');
    await store.writeManifest('current: 1');
    await gateway.ask('admin', 'mutation { rollbackModel(name: "iris") { name } }');
    expect(await all.next()).toEqual(change('UPDATED', 1, [1, 2, 3]));
    expect(own.answers).toEqual(all.answers);
    expect(other.answers).toEqual([]);
    for (const heard of [all, own, other]) heard.stop();
  });

  it('go on over a change of the schema, and tell of a model that is new and of one that is gone', async () => {
    const heard = await changes('iris-two');
    const { cp, rename, rm } = await import('node:fs/promises');
    await cp(`${store.dir}/iris`, `${store.dir}-draft`, { recursive: true });
    await rename(`${store.dir}-draft`, `${store.dir}/iris-two`);
    expect((await heard.next()).data.modelChanged).toMatchObject({ kind: 'CREATED', name: 'iris-two', model: { name: 'iris-two' } });
    await until(() => gateway.logs.some(({ msg }) => msg === 'the schema has changed'), 'The new schema');
    await rm(`${store.dir}/iris-two`, { recursive: true });
    expect((await heard.next()).data.modelChanged).toEqual({ kind: 'DELETED', name: 'iris-two', model: null });
    heard.stop();
  });
});

describe('an event that many streams hear', () => {
  it('costs as many statements as for one', async () => {
    const gateway = await startGateway({ MAX_LOGINS_PER_ACCOUNT: '1000' });
    try {
      const token = (await gateway.signIn('admin')).token;
      const query = 'subscription ($filter: EmployeeFilter) { employeeChanged(filter: $filter) { kind employee { id name department { name } manager { name department { name } } } } }';
      const client = socketClient(gateway.url, { authorization: `Bearer ${token}` });
      const heard = Array.from({ length: 50 }, (_, at) => listen(client, query, { filter: at % 2 ? { search: at % 4 === 1 ? 'A' : 'E' } : {} }));
      const opened = () => gateway.logs.filter(({ msg }) => msg === 'stream opened').length;
      await until(() => opened() === 50, 'All streams');
      const { id } = await gateway.db.selectFrom('employee').select('id').where('name', 'ilike', '%a%e%').limit(1).executeTakeFirstOrThrow();
      const set = (age: number) => gateway.ask({ token }, 'mutation ($id: ID!, $age: Int) { updateEmployee(id: $id, input: { age: $age }) { id } }', { id: encodeId('employee', id), age });
      const statements = await statementsOf(async () => {
        expect((await set(33)).errors).toEqual([]);
        await until(() => heard.every(({ answers }) => answers.length === 1), 'The event at each stream');
      });
      const ofEvent = statements.filter((text) => /ilike search\.pattern|left join "employee" as "manager"/.test(text));
      expect(ofEvent).toHaveLength(2);
      expect(statements.length).toBeLessThan(15);
      await client.dispose();
      await until(() => gateway.logs.filter(({ msg }) => msg === 'stream ended').length === 50);
      // Nobody listens: a change costs no more than the change.
      const silent = await statementsOf(() => set(34));
      expect(silent.filter((text) => /ilike search\.pattern|left join "employee" as "manager"/.test(text))).toEqual([]);
    } finally {
      await gateway.close();
    }
  });
});

describe('a shutdown', () => {
  it('ends every stream at once, so that its client goes elsewhere, and takes no new ones', async () => {
    const gateway = await startGateway();
    const { token } = await gateway.signIn('admin');
    const authorization = `Bearer ${token}`;
    const query = 'subscription { modelChanged { kind } }';
    const closed: Any[] = [];
    const client = socketClient(gateway.url, { authorization }, { on: { closed: (event) => closed.push(event) } });
    const overSocket = listen(client, query);
    const { heard } = await openEvents(gateway.url, { headers: { authorization }, body: { query } });
    const idle = await rawSocket(gateway.url);
    await until(() => gateway.logs.filter(({ msg }) => msg === 'stream opened').length === 2, 'Both streams');
    // One that never answers a goodbye must not hold the shutdown up.
    const deaf = await rawSocket(gateway.url);
    deaf.socket.pause();
    const startedAt = performance.now();
    const closing = gateway.close();
    expect(await heard.ended).toBe('cut');
    expect(await overSocket.ended).toMatchObject({ code: 1001, reason: 'The replica is shutting down; connect again.' });
    expect(await idle.closed).toMatchObject({ code: 1001 });
    expect(closed[0]).toMatchObject({ code: 1001 });
    await closing;
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    const ends = gateway.logs.filter(({ msg }) => msg === 'stream ended').map(({ reason, transport, operation, events }) => ({ reason, transport, operation, events }));
    expect(ends).toEqual(expect.arrayContaining([
      { reason: 'shutdown', transport: 'websocket', operation: null, events: 0 },
      { reason: 'shutdown', transport: 'sse', operation: null, events: 0 },
    ]));
    await expect(fetch(gateway.url)).rejects.toThrow();
    deaf.socket.terminate();
  });

  it('lets a client of graphql-ws go on at another replica by itself', async () => {
    const [one, other] = await Promise.all([startGateway(), startGateway()]);
    const tokens = { [socketUrl(one.url)]: (await one.signIn('admin')).token, [socketUrl(other.url)]: (await other.signIn('admin')).token };
    let url = socketUrl(one.url);
    const client = socketClient(one.url, {}, { url: () => url, connectionParams: () => ({ authorization: `Bearer ${tokens[url] ?? ''}` }), retryAttempts: 5 });
    const heard = listen(client, 'subscription { modelChanged { kind name } }');
    const isOpenAt = (gateway: TestGateway) => gateway.logs.some(({ msg }) => msg === 'stream opened');
    await until(() => isOpenAt(one));
    url = socketUrl(other.url);
    await one.close();
    await until(() => isOpenAt(other), 'The stream at the other');
    heard.stop();
    await client.dispose();
    expect(await upgradeStatus(url, {})).toBe(101);
    await other.close();
  });

  it('lets a client of graphql-sse go on at another replica by itself', async () => {
    const [one, other] = await Promise.all([startGateway(), startGateway()]);
    const tokens = { [one.url]: (await one.signIn('admin')).token, [other.url]: (await other.signIn('admin')).token };
    let url = one.url;
    const client = createClient({ url: () => url, headers: () => ({ authorization: `Bearer ${tokens[url] ?? ''}` }), fetchFn: fetch, retryAttempts: 5 });
    const answers: Any[] = [];
    const errors: unknown[] = [];
    const stop = client.subscribe({ query: 'subscription { predictionRecorded { source } }' }, { next: (answer) => answers.push(answer), error: (error) => errors.push(error), complete: () => {} });
    const isOpenAt = (gateway: TestGateway) => gateway.logs.some(({ msg }) => msg === 'stream opened');
    const predict = (gateway: TestGateway) => gateway.ask('user', '{ predict(model: "iris", inputs: [{ petal_length: 4.0, petal_width: 1.35 }]) { id } }');
    await until(() => isOpenAt(one), 'The stream at the first');
    await predict(one);
    await until(() => answers.length === 1, 'The event of the first');
    url = other.url;
    await one.close();
    await until(() => isOpenAt(other), 'The stream at the other');
    await predict(other);
    await until(() => answers.length === 2, 'The event of the other');
    expect(answers).toEqual(Array(2).fill({ data: { predictionRecorded: { source: 'MODEL' } } }));
    expect(errors).toEqual([]);
    stop();
    client.dispose();
    await other.close();
  });
});
