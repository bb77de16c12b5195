import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { hashOf } from '../../src/documents/document-id.js';
import { Role } from '../../src/auth/viewer.js';
import { makeDocumentFolder, presetManifest, send, type DocumentFolder } from '../kit/documents.js';
import { startGateway, type Any, type Asker, type TestGateway } from '../kit/gateway.js';
import { addPerson } from '../kit/people.js';

const trusted = 'query Models { models { name } }';
const stranger = 'query Everything { models { name title } }';
const automatic = (text: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(text) } } });

let folder: DocumentFolder;
beforeAll(async () => {
  folder = await makeDocumentFolder();
  await folder.write('web', '1.0.0', presetManifest(trusted));
});
afterAll(() => folder.close());

const start = (env: Record<string, string>): Promise<TestGateway> => startGateway({ TRUSTED_DOCUMENTS_DIR: folder.dir, ...env });

/** An API key of the demo administrator's. */
async function keyOf(gateway: TestGateway, ...scopes: string[]): Promise<Asker> {
  const answer = await gateway.ask<Any>('admin', 'mutation ($scopes: [String!]) { createApiKey(name: "a key", scopes: $scopes) { secret } }', { scopes });
  return { apiKey: answer.data.createApiKey.secret };
}

/** How a document that was not let pass is answered. */
const refusalOf = ({ status, data, errors }: { status: number; data?: unknown; errors: { message: string; extensions: { code: string } }[] }) => ({
  status,
  data,
  codes: errors.map(({ extensions }) => extensions.code),
});
const notTrusted = { status: 403, data: undefined, codes: ['DOCUMENT_NOT_TRUSTED'] };
const notFound = { status: 200, data: undefined, codes: ['PERSISTED_QUERY_NOT_FOUND'] };

describe('where only trusted documents are executed', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await start({ TRUSTED_DOCUMENTS: 'enforce' });
  });
  afterAll(() => gateway.close());

  it.each(['POST', 'GET'] as const)('one is executed by its id and by its text, by %s', async (by) => {
    for (const form of [{ documentId: `sha256:${hashOf(trusted)}` }, { query: trusted }, { query: trusted, ...automatic(trusted) }, automatic(trusted)]) {
      const answer = await send(gateway, form, { by, asker: 'user' });
      expect([answer.status, answer.errors, answer.data.models.length]).toEqual([200, [], 3]);
    }
  });

  it.each([
    ['another text', { query: stranger }],
    ['a trusted text with one more space', { query: `${trusted} ` }],
    ['a trusted text with another operation behind it', { query: `${trusted} query Others { __typename }` }],
    ['a text that is no GraphQL', { query: 'nonsense {{{' }],
    ['what asks for health', { query: '{ __typename }' }],
    ['what asks for the schema', { query: getIntrospectionQuery() }],
    ['a text with its hash', { query: stranger, ...automatic(stranger) }],
    ['a mutation', { query: 'mutation { logout }' }],
  ])('%s is refused before it is parsed', async (_what, form) => {
    for (const by of ['POST', 'GET'] as const) {
      for (const asker of ['user', 'manager', null] as const) expect(refusalOf(await send(gateway, form, { by, asker }))).toEqual(notTrusted);
    }
  });

  it('the refusal says what to do', async () => {
    const { errors } = await send(gateway, { query: stranger }, { asker: 'user' });
    expect(errors[0]?.message).toMatch(/^Only documents that were published are executed here, .* publish it with publishDocuments/);
    expect(errors[0]?.extensions.hash).toBe(hashOf(stranger));
  });

  it('nothing is remembered under a hash: what is not trusted stays unknown', async () => {
    expect(refusalOf(await send(gateway, automatic(stranger), { asker: 'user' }))).toEqual(notFound);
    expect(refusalOf(await send(gateway, { query: stranger, ...automatic(stranger) }, { asker: 'user' }))).toEqual(notTrusted);
    // An administrator's is executed, and not remembered either.
    expect((await send(gateway, { query: stranger, ...automatic(stranger) }, { asker: 'admin' })).errors).toEqual([]);
    for (const asker of ['user', 'admin'] as const) expect(refusalOf(await send(gateway, automatic(stranger), { asker }))).toEqual(notFound);
  });

  it('a refused change has changed nothing', async () => {
    const sessions = await gateway.db.selectFrom('session').selectAll().execute();
    const users = await gateway.db.selectFrom('user_account').selectAll().orderBy('id').execute();
    const register = 'mutation { register(input: { email: "new@example.org", password: "correct horse battery" }) { accessToken } }';
    expect(refusalOf(await send(gateway, { query: register }))).toEqual(notTrusted);
    expect(await gateway.db.selectFrom('session').selectAll().execute()).toEqual(sessions);
    expect(await gateway.db.selectFrom('user_account').selectAll().orderBy('id').execute()).toEqual(users);
  });

  it('an administrator who signed in sends what the IDE does, and nobody else does', async () => {
    expect((await send(gateway, { query: getIntrospectionQuery() }, { asker: 'admin' })).data.__schema).toBeDefined();
    expect((await send(gateway, { query: stranger }, { asker: 'admin', by: 'GET' })).errors).toEqual([]);
    const key = await keyOf(gateway, 'predict', 'employees:read');
    expect(refusalOf(await send(gateway, { query: stranger }, { asker: key }))).toEqual(notTrusted);
    const manager = await addPerson(gateway, Role.MANAGER);
    expect(refusalOf(await send(gateway, { query: stranger }, { asker: { token: manager.token } }))).toEqual(notTrusted);
    expect(refusalOf(await send(gateway, { query: stranger }, { asker: { token: `${await gateway.tokenOf('admin')}x` } }))).toEqual(notTrusted);
  });

  it('who signs in, refreshes and signs out does so by the gateway’s own documents', async () => {
    const signedIn = await send(gateway, { documentId: 'auspex-sign-in', variables: { email: 'user@example.com', password: 'auspex-demo-2026' } });
    expect(signedIn.errors).toEqual([]);
    const refreshed = await send(gateway, { documentId: 'auspex-refresh-session', variables: { refreshToken: signedIn.data.login.refreshToken } });
    expect(refreshed.data.refreshSession.user.email).toBe('user@example.com');
    const out = await send(gateway, { documentId: 'auspex-sign-out' }, { asker: { token: refreshed.data.refreshSession.accessToken } });
    expect(out.data).toEqual({ logout: true });
  });

  it('a list of operations is no way round', async () => {
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` },
      body: JSON.stringify([{ query: stranger }]),
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await response.text()).not.toContain('car-price');
  });

  it('a search that brings a trusted text and another is refused', async () => {
    const search = new URLSearchParams([['query', stranger], ['query', trusted]]).toString();
    for (const search_ of [search, new URLSearchParams([['query', trusted], ['query', stranger]]).toString()]) {
      const response = await fetch(`${gateway.url}?${search_}`, { headers: { 'content-type': 'application/json', authorization: `Bearer ${await gateway.tokenOf('user')}` } });
      expect(response.status).toBe(400);
      expect(await response.text()).not.toContain('car-price');
    }
  });
});

describe('where administrators are not exempt', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await start({ TRUSTED_DOCUMENTS: 'enforce', TRUSTED_DOCUMENTS_EXEMPT_ADMIN: 'false' });
  });
  afterAll(() => gateway.close());

  it('theirs are refused as anyone’s are', async () => {
    expect(refusalOf(await send(gateway, { query: stranger }, { asker: 'admin' }))).toEqual(notTrusted);
    expect((await send(gateway, { query: trusted }, { asker: 'admin' })).errors).toEqual([]);
  });

  it('they still publish, by the gateway’s own document', async () => {
    const publication = { documentId: 'auspex-publish-documents', variables: { client: 'web', version: '2.0.0', manifest: presetManifest(stranger) } };
    const published = await send(gateway, publication, { asker: 'admin' });
    expect(published.data.publishDocuments).toMatchObject({ client: 'web', version: '2.0.0', documentCount: 1 });
    expect((await send(gateway, { query: stranger }, { asker: 'user' })).errors).toEqual([]);
    expect((await send(gateway, { documentId: 'auspex-retire-documents', variables: { client: 'web', version: '2.0.0' } }, { asker: 'admin' })).data).toEqual({ retireDocuments: true });
    expect(refusalOf(await send(gateway, { query: stranger }, { asker: 'user' }))).toEqual(notTrusted);
  });
});

describe('where documents that are not trusted are reported', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await start({ TRUSTED_DOCUMENTS: 'report' });
  });
  afterAll(() => gateway.close());

  const reports = () => gateway.logs.filter(({ msg }) => String(msg).startsWith('a document that is not trusted was executed'));

  it('they are executed, logged once for each client, and counted', async () => {
    for (let turn = 0; turn < 3; turn++) {
      for (const client of ['web', 'phone']) expect((await send(gateway, { query: stranger }, { asker: 'user', client, version: '3' })).data.models).toHaveLength(3);
    }
    await send(gateway, { query: trusted }, { asker: 'user', client: 'web', version: '3' });
    expect(reports().map(({ client, clientVersion, hash, operation, level }) => ({ client, clientVersion, hash, operation, level }))).toEqual(
      ['web', 'phone'].map((client) => ({ client, clientVersion: '3', hash: hashOf(stranger), operation: 'Everything', level: 40 })),
    );
    const usage = await gateway.ask<Any>('admin', '{ documentUsage(client: "web") { nodes { hash client clientVersion operationName isTrusted count refusableCount } } }');
    expect(usage.data.documentUsage.nodes).toEqual([
      { hash: hashOf(trusted), client: 'web', clientVersion: '3', operationName: 'Models', isTrusted: true, count: 1, refusableCount: 0 },
      { hash: hashOf(stranger), client: 'web', clientVersion: '3', operationName: 'Everything', isTrusted: false, count: 3, refusableCount: 3 },
    ]);
  });

  it('an administrator’s are not: enforce would let them pass', async () => {
    const before = reports().length;
    const text = 'query OfAnAdministrator { models { name } }';
    await send(gateway, { query: text }, { asker: 'admin', client: 'ide' });
    expect(reports()).toHaveLength(before);
    const usage = await gateway.ask<Any>('admin', '{ documentUsage(client: "ide") { nodes { count refusableCount } } }');
    expect(usage.data.documentUsage.nodes).toEqual([{ count: 1, refusableCount: 0 }]);
  });

  it('no text and no variable gets into the log', async () => {
    await send(gateway, { query: 'mutation SignIn { login(input: { email: "user@example.com", password: "a secret word" }) { accessToken } }' });
    expect(reports().at(-1)).toMatchObject({ operation: 'SignIn', client: null });
    expect(JSON.stringify(gateway.logs)).not.toContain('a secret word');
  });

  it('the log stays bounded, however many there are', async () => {
    for (let turn = 0; turn < 80; turn++) await send(gateway, { query: `{ models { a${turn}: name } }` }, { asker: 'user' });
    expect(reports().length).toBeLessThanOrEqual(60);
    expect(gateway.logs.filter(({ msg }) => String(msg).startsWith('more documents that are not trusted come'))).toHaveLength(1);
  });
});

describe('where nothing is asked of documents', () => {
  it('any is executed, and none is reported or counted as one that enforce would refuse', async () => {
    const gateway = await start({});
    try {
      expect((await send(gateway, { query: stranger }, { asker: 'user', client: 'web' })).errors).toEqual([]);
      const usage = await gateway.ask<Any>('admin', '{ documentUsage(client: "web") { nodes { hash isTrusted count refusableCount } } }');
      expect(usage.data.documentUsage.nodes).toEqual([{ hash: hashOf(stranger), isTrusted: false, count: 1, refusableCount: 0 }]);
      expect(gateway.logs.filter(({ msg }) => String(msg).includes('not trusted'))).toEqual([]);
    } finally {
      await gateway.close();
    }
  });
});
