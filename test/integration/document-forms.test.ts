import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { hashOf } from '../../src/documents/document-id.js';
import { makeDocumentFolder, presetManifest, send, type DocumentFolder } from '../kit/documents.js';
import { codesOf, startGateway, type TestGateway } from '../kit/gateway.js';
import { until } from '../kit/until.js';

const text = 'query Models($name: String!) { model(name: $name) { name } }';
const hash = hashOf(text);
const sha1 = createHash('sha1').update(text).digest('hex');
const mutation = 'mutation SignOut { logout }';
const variables = { name: 'iris' };
const iris = { model: { name: 'iris' } };
const automatic = (sha256Hash: unknown, version: unknown = 1) => ({ extensions: { persistedQuery: { version, sha256Hash } } });

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
  const ask = (operation: Record<string, unknown>) => send(gateway, operation, { by, asker: 'user' });

  it.each([
    ['documentId with its SHA-256', { documentId: `sha256:${hash}` }],
    ['documentId with a name of the client’s own', { documentId: 'models' }],
    ['id with the SHA-256 of the client preset', { id: `sha256:${hash}` }],
    ['id with the bare SHA-256', { id: hash }],
    ['id with the SHA-1 that the client preset gives by default', { id: sha1 }],
    ['extensions.persistedQuery', automatic(hash)],
    ['extensions.persistedQuery with the hash of the client preset', automatic(`sha256:${hash}`)],
    ['several forms that agree', { documentId: `sha256:${hash}`, id: hash, ...automatic(hash) }],
    ['its text', { query: text }],
    ['its text and its hash', { query: text, ...automatic(hash) }],
  ])('is answered when it is asked for by %s', async (_form, form) => {
    const answer = await ask({ ...form, variables });
    expect({ data: answer.data, errors: answer.errors, status: answer.status }).toEqual({ data: iris, errors: [], status: 200 });
  });

  it.each([
    ['documentId with a prefix that is reserved', { documentId: `md5:${'a'.repeat(32)}` }, 'documentId'],
    ['documentId with a SHA-256 that is too short', { documentId: 'sha256:abc' }, 'documentId'],
    ['documentId in upper case', { documentId: `sha256:${hash.toUpperCase()}` }, 'documentId'],
    ['an id with a space in it', { id: 'two words' }, 'id'],
    ['an id that is too long', { id: 'a'.repeat(201) }, 'id'],
    ['an empty id', { id: '' }, 'id'],
    ['a version of persistedQuery that is not known', automatic(hash, 2), 'persistedQuery'],
    ['a persistedQuery without a hash', { extensions: { persistedQuery: { version: 1 } } }, 'persistedQuery'],
    ['a hash that is none', automatic('sha256:abc'), 'sha256Hash'],
    ['two ids that differ', { documentId: `sha256:${hash}`, id: 'models' }, 'different documents'],
    ['a documentId and a hash that differ', { documentId: 'models', ...automatic(hash) }, 'different documents'],
    ['a text and a documentId', { query: text, documentId: `sha256:${hash}` }, 'send one of the two'],
    ['a text and an id', { query: text, id: hash }, 'send one of the two'],
    ['a text with the hash of another', { query: `${text} `, ...automatic(hash) }, 'not the SHA-256 of the text'],
    ['a text with a hash that is no SHA-256', { query: text, ...automatic(sha1) }, 'only where that is the SHA-256'],
  ])('is refused with one clear error for %s', async (_form, form, word) => {
    const answer = await ask({ ...form, variables });
    expect({ codes: codesOf(answer), status: answer.status, data: answer.data }).toEqual({ codes: ['BAD_REQUEST'], status: 400, data: undefined });
    expect(answer.errors[0]?.message).toContain(word);
  });

  it.each([
    ['documentId', { documentId: `sha256:${'0'.repeat(64)}` }],
    ['id', { id: 'no-such-document' }],
    ['persistedQuery', automatic('0'.repeat(64))],
  ])('that nobody knows is refused as Apollo’s clients expect it: by %s', async (_form, form) => {
    const answer = await ask({ ...form, variables });
    expect({ codes: codesOf(answer), message: answer.errors[0]?.message, status: answer.status }).toEqual({
      codes: ['PERSISTED_QUERY_NOT_FOUND'],
      message: 'PersistedQueryNotFound',
      status: 200,
    });
    // Otherwise a cache between would answer so also when it is known.
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('keeps what else the extensions hold, and the name of the operation', async () => {
    const answer = await ask({ documentId: `sha256:${hash}`, operationName: 'Models', variables, extensions: { other: { deep: true } } });
    expect(answer.data).toEqual(iris);
    const misnamed = await ask({ documentId: `sha256:${hash}`, operationName: 'Others', variables });
    expect(codesOf(misnamed)).toEqual(['OPERATION_RESOLUTION_FAILURE']);
  });
});

describe('a document', () => {
  it('that changes something is not executed by GET', async () => {
    const answer = await send(gateway, { documentId: `sha256:${hashOf(mutation)}` }, { by: 'GET', asker: 'user' });
    expect([answer.status, codesOf(answer)]).toEqual([405, ['BAD_REQUEST']]);
  });

  it('cannot be named twice in a search', async () => {
    const response = await fetch(`${gateway.url}?documentId=models&documentId=others`, { headers: { 'content-type': 'application/json' } });
    const body = (await response.json()) as { errors: { message: string }[] };
    expect([response.status, body.errors[0]?.message]).toEqual([400, 'The search parameter documentId may be given once.']);
  });

  it('is still looked for by neither text nor id: that is Apollo Server’s to refuse', async () => {
    const answer = await send(gateway, { variables });
    expect([answer.status, codesOf(answer)]).toEqual([400, ['BAD_REQUEST']]);
    const number = await send(gateway, { query: 12 });
    expect([number.status, codesOf(number)]).toEqual([400, ['BAD_REQUEST']]);
  });

  it('with faulty JSON in the extensions is refused', async () => {
    const response = await fetch(`${gateway.url}?${new URLSearchParams({ query: text, extensions: '{' }).toString()}`, { headers: { 'content-type': 'application/json' } });
    expect(response.status).toBe(400);
    await response.text();
  });
});

describe('an id that means different documents to different clients', () => {
  const other = 'query Models { models { name } }';
  beforeAll(async () => {
    await folder.write('desktop', '1', { models: other });
    await folder.write('desktop', '2', { models: text });
    await until(async () => codesOf(await send(gateway, { id: 'models' }))[0] === 'BAD_REQUEST');
  });

  it('is refused where the client does not say who it is', async () => {
    const answer = await send(gateway, { id: 'models', variables }, { asker: 'user' });
    expect([answer.status, codesOf(answer)]).toEqual([400, ['BAD_REQUEST']]);
    expect(answer.errors[0]?.message).toContain('apollographql-client-name');
  });

  it('is what the client’s own release says', async () => {
    expect((await send(gateway, { id: 'models', variables }, { asker: 'user', client: 'phone' })).data).toEqual(iris);
    expect((await send(gateway, { id: 'models' }, { asker: 'user', client: 'desktop', version: '1' })).data.models).toHaveLength(3);
    expect((await send(gateway, { id: 'models', variables }, { asker: 'user', client: 'desktop', version: '2' })).data).toEqual(iris);
    expect(codesOf(await send(gateway, { id: 'models', variables }, { asker: 'user', client: 'desktop' }))).toEqual(['BAD_REQUEST']);
  });
});
