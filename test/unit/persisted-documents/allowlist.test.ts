import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Role, type Viewer } from '../../../src/auth/viewer.js';
import { AutomaticDocuments } from '../../../src/persisted-documents/automatic-persisted-queries.js';
import type { DocumentCaller } from '../../../src/persisted-documents/sent-operation.js';
import { hashOf } from '../../../src/persisted-documents/document-request.js';
import { Allowlist, type AllowlistOptions } from '../../../src/persisted-documents/allowlist.js';
import { TrustedDocuments, type Release } from '../../../src/persisted-documents/trusted-documents.js';
import { UsageCounter } from '../../../src/persisted-documents/usage.js';
import { openCache } from '../../../src/cache/cache.js';
import { MemoryRateCounters } from '../../../src/redis/memory-rate-counters.js';
import { createLogger } from '../../../src/telemetry/logger.js';

const logger = createLogger('silent');
const text = 'query Models { models { name } }';
const release = (client: string, version: string, documents: Record<string, string>): Release => ({
  client,
  version,
  documents: Object.entries(documents).map(([id, of]) => ({ id, text: of, hash: hashOf(of), operationName: null })),
});
const viewer = (kind: 'session' | 'apiKey', role: Role): Viewer => ({
  kind,
  userId: 'u',
  role,
  employeeId: null,
  credentialId: 'c',
  scopes: [],
});
const caller = (
  who: Viewer = { kind: 'anonymous' },
  name: string | null = null,
  version: string | null = null,
): DocumentCaller => ({
  viewer: who,
  client: { name, version },
  address: '192.0.2.1',
  log: logger,
  onExecuted: (task) => task(),
});

function open(options: Partial<AllowlistOptions> = {}) {
  const trusted = new TrustedDocuments();
  const usage = new UsageCounter();
  const cache = openCache({ namespace: 'test', maxEntries: 10, maxBytes: 1_000_000 });
  const allowlist = new Allowlist({
    mode: 'enforce',
    isAdminExempt: true,
    trusted,
    automatic: new AutomaticDocuments(cache, new MemoryRateCounters()),
    usage,
    ...options,
  });
  return { allowlist, trusted, usage, cache };
}

describe('the allowlist', () => {
  it('returns the same object if nothing is replaced', async () => {
    const { allowlist } = open({ mode: 'off' });
    for (const sent of [{ query: text, variables: {} }, {}, { query: 7 }, { query: '' }, { extensions: 'text' }])
      expect(await allowlist.resolve(sent, caller())).toBe(sent);
  });

  it('replaces the id by the text, and keeps everything else', async () => {
    const { allowlist, trusted } = open();
    trusted.replace('files', [release('web', '1', { models: text })]);
    const sent = {
      documentId: 'models',
      id: null,
      operationName: 'Models',
      variables: { a: 1 },
      extensions: { tracing: true, persistedQuery: null },
    };
    expect(await allowlist.resolve(sent, caller())).toEqual({
      operationName: 'Models',
      variables: { a: 1 },
      query: text,
      extensions: { tracing: true },
    });
    expect(
      await allowlist.resolve(
        { query: text, extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(text) } } },
        caller(),
      ),
    ).toEqual({ query: text });
  });

  it('applies changes of trusted documents of every source at once', async () => {
    const { allowlist, trusted } = open();
    const admitted = () =>
      allowlist.resolve({ query: text }, caller()).then(
        () => true,
        () => false,
      );
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
    ['a signed-in administrator', viewer('session', Role.ADMIN), true],
    ['a signed-in manager', viewer('session', Role.MANAGER), false],
    ['an API key of an administrator', viewer('apiKey', Role.ADMIN), false],
    ['an anonymous caller', { kind: 'anonymous' } as const, false],
  ])('exempts from enforce: %s', async (_who, who, isExempt) => {
    const admitted = (allowlist: Allowlist) =>
      allowlist.resolve({ query: text }, caller(who)).then(
        () => true,
        () => false,
      );
    expect(await admitted(open().allowlist)).toBe(isExempt);
    expect(await admitted(open({ isAdminExempt: false }).allowlist)).toBe(false);
  });

  it('counts resolved documents only', async () => {
    const { allowlist, trusted, usage } = open();
    trusted.replace('files', [release('web', '1', { models: text })]);
    await allowlist.resolve({ id: 'models' }, caller(undefined, 'web', '1'));
    await allowlist.resolve({ query: text }, caller(undefined, 'web', '1'));
    await expect(allowlist.resolve({ query: '{ other }' }, caller())).rejects.toMatchObject({
      code: 'DOCUMENT_NOT_TRUSTED',
      httpStatus: 403,
    });
    await expect(allowlist.resolve({ id: 'other' }, caller())).rejects.toMatchObject({
      code: 'PERSISTED_QUERY_NOT_FOUND',
      httpStatus: 200,
    });
    await allowlist.resolve({}, caller());
    expect(usage.drain()).toMatchObject([
      { hash: hashOf(text), client: 'web', clientVersion: '1', count: 2, isTrusted: true },
    ]);
  });

  it('ignores a cached text that does not match its hash', async () => {
    const { allowlist, cache } = open({ mode: 'off' });
    for (const mismatched of ['{ mismatched }', 12, { text }, null]) {
      await cache.setMany([{ key: hashOf(text), value: mismatched }], 60_000);
      await expect(allowlist.resolve({ id: hashOf(text) }, caller())).rejects.toMatchObject({
        code: 'PERSISTED_QUERY_NOT_FOUND',
      });
    }
    await cache.setMany([{ key: hashOf(text), value: text }], 60_000);
    expect(await allowlist.resolve({ id: hashOf(text) }, caller())).toEqual({ query: text });
  });

  it('caches a bounded number of texts', async () => {
    const { allowlist } = open({ mode: 'off' });
    const texts = Array.from({ length: 12 }, (_, at) => `{ models { a${at}: name } }`);
    const hashes = texts.map(hashOf);
    for (const [at, of] of texts.entries())
      await allowlist.resolve(
        { query: of, extensions: { persistedQuery: { version: 1, sha256Hash: hashes[at] } } },
        caller(),
      );
    const known = await Promise.all(
      hashes.map((id) =>
        allowlist.resolve({ id }, caller()).then(
          () => 1,
          () => 0,
        ),
      ),
    );
    expect(known.slice(2)).toEqual(Array.from({ length: 10 }, () => 1));
    expect(known.slice(0, 2)).toEqual([0, 0]);
  });
});

describe('the allowlist with arbitrary requests', () => {
  const other = '{ secrets }';
  const ids = fc.constantFrom<unknown>(
    'models',
    'other',
    hashOf(text),
    `sha256:${hashOf(text)}`,
    hashOf(other),
    'md5:1',
    '',
    null,
    7,
    undefined,
  );
  const sent = fc.record(
    {
      query: fc.constantFrom<unknown>(text, other, `${text} `, '', null, 7, { kind: 'Document' }, [text]),
      documentId: ids,
      id: ids,
      extensions: fc.oneof(
        fc.constantFrom<unknown>(null, 'text', [], {}),
        fc.record({
          persistedQuery: fc.oneof(fc.constant(null), fc.record({ version: fc.constantFrom(1, 2), sha256Hash: ids })),
        }),
      ),
      operationName: fc.string(),
    },
    { requiredKeys: [] },
  );

  it('accepts only trusted documents', async () => {
    const { allowlist, trusted } = open();
    trusted.replace('files', [release('web', '1', { models: text })]);
    await fc.assert(
      fc.asyncProperty(sent, async (operation) => {
        const admitted = await allowlist.resolve(operation, caller()).catch((error: unknown) => {
          expect(error).toMatchObject({
            code: expect.stringMatching(/^(BAD_REQUEST|PERSISTED_QUERY_NOT_FOUND|DOCUMENT_NOT_TRUSTED)$/),
          });
          return null;
        });
        if (admitted === null || typeof admitted.query !== 'string' || admitted.query === '') return;
        expect(admitted.query).toBe(text);
        expect([
          admitted.documentId ?? null,
          admitted.id ?? null,
          (admitted.extensions as { persistedQuery?: unknown } | null | undefined)?.persistedQuery ?? null,
        ]).toEqual([null, null, null]);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('a document name', () => {
  const other = '{ __typename }';
  it('resolves to the shared document of all releases, otherwise to the one of the client', () => {
    const trusted = new TrustedDocuments();
    const meant = (client: string | null, version: string | null) => {
      const found = trusted.byId({ kind: 'name', name: 'models' }, { name: client, version });
      return found.kind === 'found' ? found.document.text : found.kind;
    };
    expect(meant(null, null)).toBe('unknown');
    trusted.replace('files', [
      release('web', '1', { models: text }),
      release('web', '2', { models: text }),
      release('phone', '1', { models: text }),
    ]);
    expect(meant(null, null)).toBe(text);
    trusted.replace('published', [release('phone', '2', { models: other })]);
    expect([
      meant(null, null),
      meant('web', null),
      meant('web', '9'),
      meant('phone', null),
      meant('phone', '1'),
      meant('phone', '2'),
      meant('phone', '3'),
      meant('car', '1'),
    ]).toEqual(['ambiguous', text, text, 'ambiguous', text, other, 'ambiguous', 'ambiguous']);
    trusted.replace('published', []);
    expect(meant('phone', '3')).toBe(text);
  });
});
