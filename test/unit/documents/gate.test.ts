import { describe, expect, it } from '@jest/globals';
import { Role, type Viewer } from '../../../src/auth/viewer.js';
import { AutomaticDocuments } from '../../../src/documents/automatic.js';
import type { DocumentCaller } from '../../../src/documents/document-gate.js';
import { hashOf } from '../../../src/documents/document-id.js';
import { TrustedGate, type GateOptions } from '../../../src/documents/gate.js';
import { TrustedDocuments, type Release } from '../../../src/documents/trusted-documents.js';
import { UsageCounter } from '../../../src/documents/usage.js';
import { openCache } from '../../../src/shared/cache.js';
import { createLogger } from '../../../src/shared/logger.js';

const logger = createLogger('silent');
const text = 'query Models { models { name } }';
const release = (client: string, version: string, documents: Record<string, string>): Release => ({
  client,
  version,
  documents: Object.entries(documents).map(([id, of]) => ({ id, text: of, hash: hashOf(of), operationName: null })),
});
const viewer = (kind: 'session' | 'apiKey', role: Role): Viewer => ({ kind, userId: 'u', role, employeeId: null, credentialId: 'c', scopes: [] });
const caller = (who: Viewer = { kind: 'stranger' }, name: string | null = null, version: string | null = null): DocumentCaller => ({ viewer: who, client: { name, version }, log: logger });

function open(options: Partial<GateOptions> = {}) {
  const trusted = new TrustedDocuments();
  const usage = new UsageCounter();
  const cache = openCache({ namespace: 'test', maxEntries: 10, maxBytes: 1_000_000, logger });
  const gate = new TrustedGate({ mode: 'enforce', isAdminExempt: true, trusted, automatic: new AutomaticDocuments(cache), usage, ...options });
  return { gate, trusted, usage, cache };
}

describe('the gate for documents', () => {
  it('gives back the same object where there is nothing to put in', async () => {
    const { gate } = open({ mode: 'off' });
    for (const sent of [{ query: text, variables: {} }, {}, { query: 7 }, { query: '' }, { extensions: 'text' }]) expect(await gate.admit(sent, caller())).toBe(sent);
  });

  it('puts the text in the place of the id, and leaves everything else', async () => {
    const { gate, trusted } = open();
    trusted.replace('files', [release('web', '1', { models: text })]);
    const sent = { documentId: 'models', id: null, operationName: 'Models', variables: { a: 1 }, extensions: { tracing: true, persistedQuery: null } };
    expect(await gate.admit(sent, caller())).toEqual({ operationName: 'Models', variables: { a: 1 }, query: text, extensions: { tracing: true } });
    expect(await gate.admit({ query: text, extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(text) } } }, caller())).toEqual({ query: text });
  });

  it('follows what is trusted, from each source, at once', async () => {
    const { gate, trusted } = open();
    const admitted = () => gate.admit({ query: text }, caller()).then(() => true, () => false);
    let changes = 0;
    const stop = trusted.onChange(() => (changes += 1));
    expect(await admitted()).toBe(false);
    trusted.replace('files', [release('web', '1', { models: text })]);
    trusted.replace('published', [release('web', '2', { models: text })]);
    trusted.replace('files', []);
    expect(await admitted()).toBe(true);
    expect(trusted.all()).toEqual([{ client: 'web', version: '2', id: 'models', text }]);
    stop();
    trusted.replace('published', []);
    expect([await admitted(), changes]).toEqual([false, 3]);
  });

  it.each([
    ['an administrator who signed in', viewer('session', Role.ADMIN), true],
    ['a manager who signed in', viewer('session', Role.MANAGER), false],
    ['an API key of an administrator', viewer('apiKey', Role.ADMIN), false],
    ['a stranger', { kind: 'stranger' } as const, false],
  ])('exempts from enforce: %s', async (_who, who, isExempt) => {
    const admitted = (gate: TrustedGate) => gate.admit({ query: text }, caller(who)).then(() => true, () => false);
    expect(await admitted(open().gate)).toBe(isExempt);
    expect(await admitted(open({ isAdminExempt: false }).gate)).toBe(false);
  });

  it('counts what it lets pass, and nothing else', async () => {
    const { gate, trusted, usage } = open();
    trusted.replace('files', [release('web', '1', { models: text })]);
    await gate.admit({ id: 'models' }, caller(undefined, 'web', '1'));
    await gate.admit({ query: text }, caller(undefined, 'web', '1'));
    await expect(gate.admit({ query: '{ other }' }, caller())).rejects.toMatchObject({ code: 'DOCUMENT_NOT_TRUSTED', httpStatus: 403 });
    await expect(gate.admit({ id: 'other' }, caller())).rejects.toMatchObject({ code: 'PERSISTED_QUERY_NOT_FOUND', httpStatus: 200 });
    await gate.admit({}, caller());
    expect(usage.drain()).toMatchObject([{ hash: hashOf(text), client: 'web', clientVersion: '1', count: 2, isTrusted: true }]);
  });

  it('does not believe a cache that gives another text for a hash', async () => {
    const { gate, cache } = open({ mode: 'off' });
    for (const forged of ['{ forged }', 12, { text }, null]) {
      await cache.setMany([{ key: hashOf(text), value: forged }], 60_000);
      await expect(gate.admit({ id: hashOf(text) }, caller())).rejects.toMatchObject({ code: 'PERSISTED_QUERY_NOT_FOUND' });
    }
    await cache.setMany([{ key: hashOf(text), value: text }], 60_000);
    expect(await gate.admit({ id: hashOf(text) }, caller())).toEqual({ query: text });
  });

  it('remembers a bounded number of texts', async () => {
    const { gate } = open({ mode: 'off' });
    const texts = Array.from({ length: 12 }, (_, at) => `{ models { a${at}: name } }`);
    const hashes = texts.map(hashOf);
    for (const [at, of] of texts.entries()) await gate.admit({ query: of, extensions: { persistedQuery: { version: 1, sha256Hash: hashes[at] } } }, caller());
    const known = await Promise.all(hashes.map((id) => gate.admit({ id }, caller()).then(() => 1, () => 0)));
    expect(known.slice(2)).toEqual(Array.from({ length: 10 }, () => 1));
    expect(known.slice(0, 2)).toEqual([0, 0]);
  });
});

describe('an id that is a name', () => {
  const other = '{ __typename }';
  it('means what all releases say, or else the client’s own', () => {
    const trusted = new TrustedDocuments();
    const meant = (client: string | null, version: string | null) => {
      const found = trusted.byId({ kind: 'name', name: 'models' }, { name: client, version });
      return found.kind === 'found' ? found.document.text : found.kind;
    };
    expect(meant(null, null)).toBe('unknown');
    trusted.replace('files', [release('web', '1', { models: text }), release('web', '2', { models: text }), release('phone', '1', { models: text })]);
    expect(meant(null, null)).toBe(text);
    trusted.replace('published', [release('phone', '2', { models: other })]);
    expect([meant(null, null), meant('web', null), meant('web', '9'), meant('phone', null), meant('phone', '1'), meant('phone', '2'), meant('phone', '3'), meant('car', '1')]).toEqual([
      'ambiguous', text, text, 'ambiguous', text, other, 'ambiguous', 'ambiguous',
    ]);
    trusted.replace('published', []);
    expect(meant('phone', '3')).toBe(text);
  });
});
