import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { hashOf } from '../../src/persisted-documents/document-request.js';
import { bundledModels } from '../support/bundled-models.js';
import { makeDocumentFolder, presetManifest, send, type DocumentFolder } from '../support/documents.js';
import { codesOf, startGateway, type TestGateway } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';

const text = 'query Models($name: String!) { model(name: $name) { name } }';
const hash = hashOf(text);
const sha1 = createHash('sha1').update(text).digest('hex');
const mutation = 'mutation SignOut { logout { signedOutUserId } }';
const variables = { name: 'iris' };
const iris = { model: { name: 'iris' } };
const automatic = (sha256Hash: unknown, version: unknown = 1) => ({
  extensions: { persistedQuery: { version, sha256Hash } },
});

let folder: DocumentFolder;
let gateway: TestGateway;
beforeAll(async () => {
  folder = await makeDocumentFolder();
  await folder.write('web', '1.0.0', { ...presetManifest(text, mutation), [sha1]: text });
  await folder.write('phone', '7', {
    format: 'apollo-persisted-query-manifest',
    version: 1,
    operations: [{ id: 'models', name: 'Models', type: 'query', body: text }],
  });
  gateway = await startGateway({ TRUSTED_DOCUMENTS_DIR: folder.dir });
});
afterAll(async () => {
  await gateway.close();
  await folder.close();
});

describe.each(['POST', 'GET'] as const)('a document, by %s,', (by) => {
  const execute = (operation: Record<string, unknown>) => send(gateway, operation, { by, caller: 'user' });

  it.each([
    ['documentId with its SHA-256', { documentId: `sha256:${hash}` }],
    ['documentId with a custom name', { documentId: 'models' }],
    ['id with the SHA-256 of the client preset', { id: `sha256:${hash}` }],
    ['id with the bare SHA-256', { id: hash }],
    ['id with the default SHA-1 of the client preset', { id: sha1 }],
    ['extensions.persistedQuery', automatic(hash)],
    ['extensions.persistedQuery with the hash of the client preset', automatic(`sha256:${hash}`)],
    ['several forms of the same document', { documentId: `sha256:${hash}`, id: hash, ...automatic(hash) }],
    ['its text', { query: text }],
    ['its text and its hash', { query: text, ...automatic(hash) }],
  ])('is executed when sent as %s', async (_form, form) => {
    const response = await execute({ ...form, variables });
    expect({ data: response.data, errors: response.errors, status: response.status }).toEqual({
      data: iris,
      errors: [],
      status: 200,
    });
  });

  it.each([
    ['documentId with a reserved prefix', { documentId: `md5:${'a'.repeat(32)}` }, 'documentId'],
    ['documentId with a SHA-256 that is too short', { documentId: 'sha256:abc' }, 'documentId'],
    ['documentId in upper case', { documentId: `sha256:${hash.toUpperCase()}` }, 'documentId'],
    ['an id with a space in it', { id: 'two words' }, 'id'],
    ['an id that is too long', { id: 'a'.repeat(201) }, 'id'],
    ['an unknown version of persistedQuery', automatic(hash, 2), 'persistedQuery'],
    ['a persistedQuery without a hash', { extensions: { persistedQuery: { version: 1 } } }, 'persistedQuery'],
    ['an invalid hash', automatic('sha256:abc'), 'sha256Hash'],
    ['two ids that differ', { documentId: `sha256:${hash}`, id: 'models' }, 'different documents'],
    ['a documentId and a hash that differ', { documentId: 'models', ...automatic(hash) }, 'different documents'],
    ['a text and a documentId', { query: text, documentId: `sha256:${hash}` }, 'send one of them'],
    ['a text and an id', { query: text, id: hash }, 'send one of them'],
    ['a text with the hash of another', { query: `${text} `, ...automatic(hash) }, 'not the SHA-256 of the text'],
    ['a text with a hash other than SHA-256', { query: text, ...automatic(sha1) }, 'send the SHA-256 of the text'],
  ])('rejects %s with one error', async (_form, form, word) => {
    const response = await execute({ ...form, variables });
    expect({ codes: codesOf(response), status: response.status, data: response.data }).toEqual({
      codes: ['BAD_REQUEST'],
      status: 400,
      data: undefined,
    });
    expect(response.errors[0]?.message).toContain(word);
  });

  it.each([
    ['documentId', { documentId: `sha256:${'0'.repeat(64)}` }],
    ['id', { id: 'no-such-document' }],
    ['persistedQuery', automatic('0'.repeat(64))],
  ])(
    'returns PersistedQueryNotFound with status 200 for an unknown %s, as Apollo’s clients expect',
    async (_form, form) => {
      const response = await execute({ ...form, variables });
      expect({ codes: codesOf(response), message: response.errors[0]?.message, status: response.status }).toEqual({
        codes: ['PERSISTED_QUERY_NOT_FOUND'],
        message: 'PersistedQueryNotFound',
        status: 200,
      });
      // A cache in between must not return it once the document is known.
      expect(response.headers.get('cache-control')).toBe('no-store');
    },
  );

  it('keeps other extensions and the name of the operation', async () => {
    const response = await execute({
      documentId: `sha256:${hash}`,
      operationName: 'Models',
      variables,
      extensions: { other: { deep: true } },
    });
    expect(response.data).toEqual(iris);
    const misnamed = await execute({ documentId: `sha256:${hash}`, operationName: 'Others', variables });
    expect(codesOf(misnamed)).toEqual(['OPERATION_RESOLUTION_FAILURE']);
  });
});

describe('a document', () => {
  it('rejects a mutation by GET', async () => {
    const response = await send(gateway, { documentId: `sha256:${hashOf(mutation)}` }, { by: 'GET', caller: 'user' });
    expect([response.status, codesOf(response)]).toEqual([405, ['BAD_REQUEST']]);
  });

  it('rejects a repeated search parameter', async () => {
    const response = await fetch(`${gateway.url}?documentId=models&documentId=others`, {
      headers: { 'content-type': 'application/json' },
    });
    const body = (await response.json()) as { errors: { message: string }[] };
    expect([response.status, body.errors[0]?.message]).toEqual([
      400,
      'The search parameter documentId may be given once.',
    ]);
  });

  it('leaves a request without text and ID to Apollo Server, which rejects it', async () => {
    const response = await send(gateway, { variables });
    expect([response.status, codesOf(response)]).toEqual([400, ['BAD_REQUEST']]);
    const number = await send(gateway, { query: 12 });
    expect([number.status, codesOf(number)]).toEqual([400, ['BAD_REQUEST']]);
  });

  it('rejects extensions that are not JSON', async () => {
    const response = await fetch(`${gateway.url}?${new URLSearchParams({ query: text, extensions: '{' }).toString()}`, {
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(400);
    await response.text();
  });
});

describe('an ID of different documents of different clients', () => {
  const other = 'query Models { models { name } }';
  beforeAll(async () => {
    await folder.write('desktop', '1', { models: other });
    await folder.write('desktop', '2', { models: text });
    await waitUntil(async () => codesOf(await send(gateway, { id: 'models' }))[0] === 'BAD_REQUEST');
  });

  it('is rejected if the client does not send its name', async () => {
    const response = await send(gateway, { id: 'models', variables }, { caller: 'user' });
    expect([response.status, codesOf(response)]).toEqual([400, ['BAD_REQUEST']]);
    expect(response.errors[0]?.message).toContain('apollographql-client-name');
  });

  it('is resolved by the release of the client', async () => {
    expect((await send(gateway, { id: 'models', variables }, { caller: 'user', client: 'phone' })).data).toEqual(iris);
    expect(
      (await send(gateway, { id: 'models' }, { caller: 'user', client: 'desktop', version: '1' })).data.models,
    ).toHaveLength(bundledModels.length);
    expect(
      (await send(gateway, { id: 'models', variables }, { caller: 'user', client: 'desktop', version: '2' })).data,
    ).toEqual(iris);
    expect(codesOf(await send(gateway, { id: 'models', variables }, { caller: 'user', client: 'desktop' }))).toEqual([
      'BAD_REQUEST',
    ]);
  });
});
