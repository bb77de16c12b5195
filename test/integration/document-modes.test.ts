import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { hashOf } from '../../src/persisted-documents/document-request.js';
import { Role } from '../../src/auth/viewer.js';
import { bundledModels } from '../support/bundled-models.js';
import { makeDocumentFolder, presetManifest, send, type DocumentFolder } from '../support/documents.js';
import { startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';
import { addPerson } from '../support/people.js';
import { listen, openEvents, socketClient } from '../support/streams.js';

const trusted = 'query Models { models { name } }';
const untrusted = 'query Everything { models { name title } }';
const automatic = (text: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(text) } } });

let folder: DocumentFolder;
beforeAll(async () => {
  folder = await makeDocumentFolder();
  await folder.write('web', '1.0.0', presetManifest(trusted));
});
afterAll(() => folder.close());

const start = (env: Record<string, string>): Promise<TestGateway> =>
  startGateway({ TRUSTED_DOCUMENTS_DIR: folder.dir, ...env });

/** Creates an API key of the demo administrator. */
async function keyOf(gateway: TestGateway, ...scopes: string[]): Promise<Caller> {
  const response = await gateway.execute<AnyData>(
    'admin',
    'mutation ($scopes: [String!]) { createApiKey(name: "a key", scopes: $scopes) { secret } }',
    { scopes },
  );
  return { apiKey: response.data.createApiKey.secret };
}

/** The parts of a response that identify a rejection. */
const rejectionOf = ({
  status,
  data,
  errors,
}: {
  status: number;
  data?: unknown;
  errors: { message: string; extensions: { code: string } }[];
}) => ({
  status,
  data,
  codes: errors.map(({ extensions }) => extensions.code),
});
const notTrusted = { status: 403, data: undefined, codes: ['DOCUMENT_NOT_TRUSTED'] };
const notFound = { status: 200, data: undefined, codes: ['PERSISTED_QUERY_NOT_FOUND'] };

describe('TRUSTED_DOCUMENTS=enforce', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await start({ TRUSTED_DOCUMENTS: 'enforce' });
  });
  afterAll(() => gateway.close());

  it.each(['POST', 'GET'] as const)('executes a trusted document by id and by text, by %s', async (by) => {
    for (const form of [
      { documentId: `sha256:${hashOf(trusted)}` },
      { query: trusted },
      { query: trusted, ...automatic(trusted) },
      automatic(trusted),
    ]) {
      const response = await send(gateway, form, { by, caller: 'user' });
      expect([response.status, response.errors, response.data.models.length]).toEqual([200, [], bundledModels.length]);
    }
  });

  it.each([
    ['an untrusted document', { query: untrusted }],
    ['a trusted text with one more space', { query: `${trusted} ` }],
    ['a trusted text with another operation behind it', { query: `${trusted} query Others { __typename }` }],
    ['a text that is not GraphQL', { query: 'nonsense {{{' }],
    ['a health check', { query: '{ __typename }' }],
    ['an introspection query', { query: getIntrospectionQuery() }],
    ['an untrusted document with its hash', { query: untrusted, ...automatic(untrusted) }],
    ['a mutation', { query: 'mutation { logout { signedOutUserId } }' }],
  ])('rejects %s before parsing', async (_what, form) => {
    for (const by of ['POST', 'GET'] as const) {
      for (const caller of ['user', 'manager', null] as const)
        expect(rejectionOf(await send(gateway, form, { by, caller }))).toEqual(notTrusted);
    }
  });

  it('applies to WebSockets and server-sent events', async () => {
    const made = await keyOf(gateway, 'predict', 'employees:read');
    const apiKey = made !== null && typeof made === 'object' && 'apiKey' in made ? made.apiKey : '';
    const headers = { 'x-api-key': apiKey };
    const client = socketClient(gateway.url, headers);
    for (const [query, code] of [
      [untrusted, 'DOCUMENT_NOT_TRUSTED'],
      [trusted, undefined],
    ] as const) {
      const socket = listen(client, query);
      const end: AnyData = await socket.ended;
      expect([end[0].extensions?.code, socket.results.length]).toEqual([code, code === undefined ? 1 : 0]);
      const events = await openEvents(gateway.url, { headers, body: { query } });
      expect([events.status, events.rejection?.errors[0].extensions.code]).toEqual(
        code === undefined ? [200, undefined] : [403, code],
      );
      if (code === undefined) expect(await events.received.ended).toBe('complete');
    }
    await client.dispose();
  });

  it('rejects with the remedy', async () => {
    const { errors } = await send(gateway, { query: untrusted }, { caller: 'user' });
    expect(errors[0]?.message).toMatch(
      /^Only published documents are executed; publish this one with publishDocuments/,
    );
    expect(errors[0]?.extensions.hash).toBe(hashOf(untrusted));
  });

  it('does not store untrusted documents under their hash', async () => {
    expect(rejectionOf(await send(gateway, automatic(untrusted), { caller: 'user' }))).toEqual(notFound);
    expect(rejectionOf(await send(gateway, { query: untrusted, ...automatic(untrusted) }, { caller: 'user' }))).toEqual(
      notTrusted,
    );
    // It is executed for an administrator, but not stored.
    expect((await send(gateway, { query: untrusted, ...automatic(untrusted) }, { caller: 'admin' })).errors).toEqual(
      [],
    );
    for (const caller of ['user', 'admin'] as const)
      expect(rejectionOf(await send(gateway, automatic(untrusted), { caller }))).toEqual(notFound);
  });

  it('changes nothing when it rejects a mutation', async () => {
    const sessions = await gateway.db.selectFrom('session').selectAll().execute();
    const users = await gateway.db.selectFrom('user_account').selectAll().orderBy('id').execute();
    const register =
      'mutation { register(input: { email: "new@example.org", password: "correct horse battery" }) { accessToken } }';
    expect(rejectionOf(await send(gateway, { query: register }))).toEqual(notTrusted);
    expect(await gateway.db.selectFrom('session').selectAll().execute()).toEqual(sessions);
    expect(await gateway.db.selectFrom('user_account').selectAll().orderBy('id').execute()).toEqual(users);
  });

  it('executes other documents only for signed-in administrators', async () => {
    expect((await send(gateway, { query: getIntrospectionQuery() }, { caller: 'admin' })).data.__schema).toBeDefined();
    expect((await send(gateway, { query: untrusted }, { caller: 'admin', by: 'GET' })).errors).toEqual([]);
    const key = await keyOf(gateway, 'predict', 'employees:read');
    expect(rejectionOf(await send(gateway, { query: untrusted }, { caller: key }))).toEqual(notTrusted);
    const manager = await addPerson(gateway, Role.MANAGER);
    expect(rejectionOf(await send(gateway, { query: untrusted }, { caller: { token: manager.token } }))).toEqual(
      notTrusted,
    );
    expect(
      rejectionOf(
        await send(gateway, { query: untrusted }, { caller: { token: `${await gateway.tokenOf('admin')}x` } }),
      ),
    ).toEqual(notTrusted);
  });

  it('signs in, refreshes and signs out by the built-in documents', async () => {
    const signedIn = await send(gateway, {
      documentId: 'auspex-sign-in',
      variables: { email: 'user@example.com', password: 'auspex-demo-2026' },
    });
    expect(signedIn.errors).toEqual([]);
    const refreshed = await send(gateway, {
      documentId: 'auspex-refresh-session',
      variables: { refreshToken: signedIn.data.login.refreshToken },
    });
    expect(refreshed.data.refreshSession.user.email).toBe('user@example.com');
    const out = await send(
      gateway,
      { documentId: 'auspex-sign-out' },
      { caller: { token: refreshed.data.refreshSession.accessToken } },
    );
    expect(out.data).toEqual({ logout: { signedOutUserId: expect.stringMatching(/^user_/) } });
  });

  it('rejects untrusted documents in a batch', async () => {
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` },
      body: JSON.stringify([{ query: untrusted }]),
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await response.text()).not.toContain('car-price');
  });

  it('rejects a trusted and an untrusted query in one URL', async () => {
    const search = new URLSearchParams([
      ['query', untrusted],
      ['query', trusted],
    ]).toString();
    for (const search_ of [
      search,
      new URLSearchParams([
        ['query', trusted],
        ['query', untrusted],
      ]).toString(),
    ]) {
      const response = await fetch(`${gateway.url}?${search_}`, {
        headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` },
      });
      expect(response.status).toBe(400);
      expect(await response.text()).not.toContain('car-price');
    }
  });
});

describe('TRUSTED_DOCUMENTS_EXEMPT_ADMIN=false', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await start({ TRUSTED_DOCUMENTS: 'enforce', TRUSTED_DOCUMENTS_EXEMPT_ADMIN: 'false' });
  });
  afterAll(() => gateway.close());

  it('rejects untrusted documents of administrators', async () => {
    expect(rejectionOf(await send(gateway, { query: untrusted }, { caller: 'admin' }))).toEqual(notTrusted);
    expect((await send(gateway, { query: trusted }, { caller: 'admin' })).errors).toEqual([]);
  });

  it('lets administrators publish and retire by the built-in documents', async () => {
    const publication = {
      documentId: 'auspex-publish-documents',
      variables: { client: 'web', version: '2.0.0', manifest: presetManifest(untrusted) },
    };
    const published = await send(gateway, publication, { caller: 'admin' });
    expect(published.data.publishDocuments).toMatchObject({ client: 'web', version: '2.0.0', documentCount: 1 });
    expect((await send(gateway, { query: untrusted }, { caller: 'user' })).errors).toEqual([]);
    expect(
      (
        await send(
          gateway,
          { documentId: 'auspex-retire-documents', variables: { client: 'web', version: '2.0.0' } },
          { caller: 'admin' },
        )
      ).data,
    ).toEqual({ retireDocuments: { retiredReleaseId: expect.stringMatching(/^release_/), documentCount: 1 } });
    expect(rejectionOf(await send(gateway, { query: untrusted }, { caller: 'user' }))).toEqual(notTrusted);
  });
});

describe('TRUSTED_DOCUMENTS=report', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await start({ TRUSTED_DOCUMENTS: 'report' });
  });
  afterAll(() => gateway.close());

  const reports = () => gateway.logs.filter(({ msg }) => String(msg).startsWith('untrusted document executed'));

  it('executes and counts untrusted documents and logs each once per client', async () => {
    for (let turn = 0; turn < 3; turn++) {
      for (const client of ['web', 'phone'])
        expect(
          (await send(gateway, { query: untrusted }, { caller: 'user', client, version: '3' })).data.models,
        ).toHaveLength(bundledModels.length);
    }
    await send(gateway, { query: trusted }, { caller: 'user', client: 'web', version: '3' });
    expect(
      reports().map(({ client, clientVersion, hash, operation, level }) => ({
        client,
        clientVersion,
        hash,
        operation,
        level,
      })),
    ).toEqual(
      ['web', 'phone'].map((client) => ({
        client,
        clientVersion: '3',
        hash: hashOf(untrusted),
        operation: 'Everything',
        level: 'warn',
      })),
    );
    const usage = await gateway.execute<AnyData>(
      'admin',
      '{ documentUsage(client: "web") { nodes { hash client clientVersion operationName isTrusted count refusableCount } } }',
    );
    expect(usage.data.documentUsage.nodes).toEqual([
      {
        hash: hashOf(trusted),
        client: 'web',
        clientVersion: '3',
        operationName: 'Models',
        isTrusted: true,
        count: 1,
        refusableCount: 0,
      },
      {
        hash: hashOf(untrusted),
        client: 'web',
        clientVersion: '3',
        operationName: 'Everything',
        isTrusted: false,
        count: 3,
        refusableCount: 3,
      },
    ]);
  });

  it('does not report documents of administrators, which enforce accepts', async () => {
    const before = reports().length;
    const text = 'query OfAnAdministrator { models { name } }';
    await send(gateway, { query: text }, { caller: 'admin', client: 'ide' });
    expect(reports()).toHaveLength(before);
    const usage = await gateway.execute<AnyData>(
      'admin',
      '{ documentUsage(client: "ide") { nodes { count refusableCount } } }',
    );
    expect(usage.data.documentUsage.nodes).toEqual([{ count: 1, refusableCount: 0 }]);
  });

  it('logs neither texts nor variables', async () => {
    await send(gateway, {
      query:
        'mutation SignIn { login(input: { email: "user@example.com", password: "a secret word" }) { accessToken } }',
    });
    expect(reports().at(-1)).toMatchObject({ operation: 'SignIn', client: null });
    expect(JSON.stringify(gateway.logs)).not.toContain('a secret word');
  });

  it('limits the number of log lines', async () => {
    for (let turn = 0; turn < 80; turn++)
      await send(gateway, { query: `{ models { a${turn}: name } }` }, { caller: 'user' });
    expect(reports().length).toBeLessThanOrEqual(60);
    expect(
      gateway.logs.filter(({ msg }) => String(msg).startsWith('untrusted document reports suppressed')),
    ).toHaveLength(1);
  });
});

describe('without TRUSTED_DOCUMENTS', () => {
  it('the gateway executes every document and reports none', async () => {
    const gateway = await start({});
    try {
      expect((await send(gateway, { query: untrusted }, { caller: 'user', client: 'web' })).errors).toEqual([]);
      const usage = await gateway.execute<AnyData>(
        'admin',
        '{ documentUsage(client: "web") { nodes { hash isTrusted count refusableCount } } }',
      );
      expect(usage.data.documentUsage.nodes).toEqual([
        { hash: hashOf(untrusted), isTrusted: false, count: 1, refusableCount: 0 },
      ]);
      expect(gateway.logs.filter(({ msg }) => String(msg).includes('not trusted'))).toEqual([]);
    } finally {
      await gateway.close();
    }
  });
});
