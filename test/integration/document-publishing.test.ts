import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Role } from '../../src/auth/viewer.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { hashOf } from '../../src/persisted-documents/document-request.js';
import { PublicationWatcher } from '../../src/domains/persisted-document/publication.watcher.js';
import { TrustedDocuments } from '../../src/persisted-documents/trusted-documents.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { bundledModels } from '../support/bundled-models.js';
import { presetManifest, send } from '../support/documents.js';
import {
  codesOf,
  startGateway,
  type GraphQLResponse,
  type AnyData,
  type Caller,
  type TestGateway,
} from '../support/gateway.js';
import { addPerson, setRole } from '../support/people.js';
import { waitUntil } from '../support/wait-until.js';

const publishing = `mutation ($client: String!, $version: String!, $manifest: JSONObject!) {
  publishDocuments(client: $client, version: $version, manifest: $manifest) { id client version documentCount publishedAt }
}`;
const retiring =
  'mutation ($client: String!, $version: String!) { retireDocuments(client: $client, version: $version) { retiredReleaseId remainingCount } }';
const text = (alias: string): string => `query Models { models { ${alias}: name } }`;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ TRUSTED_DOCUMENTS: 'enforce' });
});
afterAll(() => gateway.close());

const publish = (
  caller: Caller,
  client: string,
  version: string,
  manifest: unknown,
  on = gateway,
): Promise<GraphQLResponse<AnyData>> =>
  send(on, { documentId: 'auspex-publish-documents', variables: { client, version, manifest } }, { caller });
const retire = (caller: Caller, client: string, version: string): Promise<GraphQLResponse<AnyData>> =>
  send(gateway, { documentId: 'auspex-retire-documents', variables: { client, version } }, { caller });

async function keyOf(caller: Caller, ...scopes: string[]): Promise<{ apiKey: string }> {
  const document = 'mutation ($scopes: [String!]) { createApiKey(name: "a key", scopes: $scopes) { secret } }';
  // Published, because only trusted documents are executed.
  await publish('admin', 'keys', '1', presetManifest(document));
  const response = await send(gateway, { query: document, variables: { scopes } }, { caller });
  expect(response.errors).toEqual([]);
  return { apiKey: response.data.createApiKey.secret };
}

/** All published releases and documents. */
const everything = async () => ({
  releases: await gateway.db.selectFrom('document_release').selectAll().orderBy('id').execute(),
  documents: await gateway.db.selectFrom('published_document').selectAll().orderBy('id').execute(),
});
const isTrusted = async (document: string, on = gateway): Promise<boolean> =>
  (await send(on, { query: document }, { caller: 'user' })).errors.length === 0;

describe('publishing documents', () => {
  it('makes them trusted immediately, by id and by text', async () => {
    const document = text('first');
    expect(await isTrusted(document)).toBe(false);
    const response = await publish('admin', 'web', '1.0.0', presetManifest(document));
    expect(response.errors).toEqual([]);
    expect(response.data.publishDocuments).toMatchObject({ client: 'web', version: '1.0.0', documentCount: 1 });
    expect(
      (await send(gateway, { documentId: `sha256:${hashOf(document)}` }, { caller: 'user' })).data.models,
    ).toHaveLength(bundledModels.length);
    expect(await isTrusted(document)).toBe(true);
  });

  it('is permitted to an API key with the scope', async () => {
    const key = await keyOf('admin', 'documents:publish');
    const response = await publish(key, 'web', '1.1.0', presetManifest(text('byKey')));
    expect(response.errors).toEqual([]);
    expect(await isTrusted(text('byKey'))).toBe(true);
    // The key only publishes.
    expect(codesOf(await retire(key, 'web', '1.1.0'))).toEqual(['FORBIDDEN']);
    expect(codesOf(await send(gateway, { query: text('byKey') }, { caller: key }))).toEqual(['FORBIDDEN']);
  });

  it('accepts a manifest in the format of Apollo', async () => {
    const body = text('apollo');
    const operation = { id: hashOf(body), name: 'Models', type: 'query', body };
    const response = await publish('admin', 'ios', '1', {
      format: 'apollo-persisted-query-manifest',
      version: 1,
      operations: [operation],
    });
    expect(response.errors).toEqual([]);
    expect(await isTrusted(body)).toBe(true);
  });

  it('is rejected for every other caller and changes nothing', async () => {
    const demoted = await addPerson(gateway, Role.ADMIN);
    const demotedKey = await keyOf({ token: demoted.token }, 'documents:publish');
    const userKey = await keyOf('user', 'documents:publish');
    const unscoped = await keyOf('admin', 'employees:read', 'predict');
    await setRole(gateway, demoted, Role.MANAGER);
    const before = await everything();
    const callers: [Caller, string][] = [
      [null, 'UNAUTHENTICATED'],
      ['user', 'FORBIDDEN'],
      ['manager', 'FORBIDDEN'],
      [{ token: demoted.token }, 'UNAUTHENTICATED'],
      [demotedKey, 'FORBIDDEN'],
      [userKey, 'FORBIDDEN'],
      [unscoped, 'FORBIDDEN'],
    ];
    for (const [caller, code] of callers) {
      expect(codesOf(await publish(caller, 'web', '9.9.9', presetManifest(text('rejected'))))).toEqual([code]);
      expect(codesOf(await retire(caller, 'web', '1.0.0'))).toEqual([code]);
    }
    expect(await everything()).toEqual(before);
    expect(await isTrusted(text('rejected'))).toBe(false);
  });

  it('is idempotent for the same documents in any order', async () => {
    const manifest = presetManifest(text('again'), text('andAgain'));
    const first = await publish('admin', 'web', '2.0.0', manifest);
    const before = await everything();
    const second = await publish('admin', 'web', '2.0.0', Object.fromEntries(Object.entries(manifest).reverse()));
    expect(second.errors).toEqual([]);
    expect(second.data).toEqual(first.data);
    expect(await everything()).toEqual(before);
  });

  it('publishes one release for concurrent identical requests', async () => {
    const responses = await Promise.all(
      Array.from({ length: 6 }, () => publish('admin', 'web', '2.1.0', presetManifest(text('atOnce')))),
    );
    expect(responses.flatMap(({ errors }) => errors)).toEqual([]);
    expect(new Set(responses.map(({ data }) => data.publishDocuments.publishedAt)).size).toBe(1);
    const { releases, documents } = await everything();
    const [release, ...others] = releases.filter(({ version }) => version === '2.1.0');
    expect(others).toEqual([]);
    expect(documents.filter(({ release_id }) => release_id === release?.id)).toHaveLength(1);
  });

  it('returns CONFLICT for other documents under the same version and changes nothing', async () => {
    await publish('admin', 'web', '3.0.0', presetManifest(text('original')));
    const before = await everything();
    const response = await publish('admin', 'web', '3.0.0', presetManifest(text('original'), text('changed')));
    expect(codesOf(response)).toEqual(['CONFLICT']);
    expect(response.errors[0]?.message).toContain('publish these under another version');
    expect(await everything()).toEqual(before);
    expect(await isTrusted(text('changed'))).toBe(false);
  });

  it('lists every document that is invalid against the schema, with its line, and publishes none', async () => {
    const before = await everything();
    const invalid = {
      one: 'query One {\n  models {\n    nme\n  }\n}',
      two: 'query Two($a: Int) {\n  model(name: $a) { name }\n}',
      good: text('good'),
    };
    const parsed = await publish('admin', 'web', '4.0.0', { ...invalid, none: '{ models { name }' });
    expect(codesOf(parsed)).toEqual(['BAD_USER_INPUT']);
    expect(parsed.errors[0]?.extensions.fields).toEqual([
      { field: 'manifest.none', message: expect.stringMatching(/^line 1: Syntax Error/) },
    ]);
    const validated = await publish('admin', 'web', '4.0.0', invalid);
    expect(codesOf(validated)).toEqual(['BAD_USER_INPUT']);
    expect(validated.errors[0]?.extensions.fields).toEqual([
      {
        field: 'manifest.one',
        message: expect.stringMatching(/^One, line 3: Cannot query field "nme" on type "Model"/),
      },
      { field: 'manifest.two', message: expect.stringMatching(/^Two, line 1: Variable "\$a" of type "Int"/) },
    ]);
    expect(await everything()).toEqual(before);
    expect(await isTrusted(text('good'))).toBe(false);
  });

  it.each([
    ['an empty manifest', {}, 'manifest'],
    [
      'an id that is not the hash of its text',
      { [`sha256:${'0'.repeat(64)}`]: text('wrong') },
      `manifest.sha256:${'0'.repeat(64)}`,
    ],
    ['a text that is not a string', { one: 12 }, 'manifest.one'],
  ])('rejects %s', async (_what, manifest, field) => {
    const response = await publish('admin', 'web', '5.0.0', manifest);
    expect([codesOf(response), response.errors[0]?.extensions.fields?.map((problem) => problem.field)]).toEqual([
      ['BAD_USER_INPUT'],
      [field],
    ]);
  });

  it.each([
    ['client', '', '1'],
    ['version', 'web', ' '],
    ['client', 'wéb', '1'],
    ['version', 'web', 'x'.repeat(101)],
    ['client', 'we\nb', '1'],
  ])('rejects a %s that is not a valid header value', async (field, client, version) => {
    const response = await publish('admin', client, version, presetManifest(text('nameless')));
    expect([codesOf(response), response.errors[0]?.extensions.fields?.map((problem) => problem.field)]).toEqual([
      ['BAD_USER_INPUT'],
      [field],
    ]);
  });

  it('accepts a thousand documents', async () => {
    const texts = Array.from({ length: 1000 }, (_, at) => text(`number${at}`));
    const response = await publish('admin', 'large', '1', presetManifest(...texts));
    expect(response.errors).toEqual([]);
    expect(await isTrusted(text('number999'))).toBe(true);
  });

  it('is rejected past the limit of releases and changes nothing', async () => {
    await sql`insert into document_release (id, client, version, digest, document_count, characters, published_at)
      select gen_random_uuid(), 'full', number::text, '', 0, 0, now() from generate_series(1, 500) as number`.execute(
      gateway.db,
    );
    try {
      const before = await everything();
      const response = await publish('admin', 'web', '6.0.0', presetManifest(text('tooMuch')));
      expect(codesOf(response)).toEqual(['CONFLICT']);
      expect(response.errors[0]?.message).toContain('500 are the most. Retire');
      expect(await everything()).toEqual(before);
    } finally {
      await sql`delete from document_release where client = 'full'`.execute(gateway.db);
    }
  });
});

describe('retiring documents', () => {
  it('ends the trust in documents that no other release contains', async () => {
    await publish('admin', 'old', '1', presetManifest(text('shared'), text('oldOnly')));
    await publish('admin', 'old', '2', presetManifest(text('shared')));
    const { id } = (await everything()).releases.find(({ client, version }) => `${client} ${version}` === 'old 1') ?? {
      id: '',
    };
    expect((await retire('admin', 'old', '1')).data).toEqual({
      retireDocuments: { retiredReleaseId: encodeId('release', id), documentCount: 2 },
    });
    expect([await isTrusted(text('oldOnly')), await isTrusted(text('shared'))]).toEqual([false, true]);
    const { documents, releases } = await everything();
    expect(releases.filter(({ client }) => client === 'old').map(({ version }) => version)).toEqual(['2']);
    expect(documents.filter((document) => document.text === text('oldOnly'))).toEqual([]);
  });

  it('returns NOT_FOUND for an unknown release', async () => {
    const response = await retire('admin', 'old', '77');
    expect([codesOf(response), response.errors[0]?.message]).toEqual([
      ['NOT_FOUND'],
      'There is no published release old 77.',
    ]);
  });
});

describe('the list of releases', () => {
  it('shows administrators each release with its documents and their usage', async () => {
    await publish('admin', 'listed', '1', presetManifest(text('listed'), text('listedToo')));
    for (const version of ['1', '1', '2'])
      await send(gateway, { query: text('listed') }, { caller: 'user', client: 'listed', version });
    const response = await gateway.execute<AnyData>(
      'admin',
      `{ documentReleases(first: 1) { totalCount nodes { id client version documentCount publishedBy { email } documents(first: 5) { totalCount nodes { id documentId hash text operationName usage { count client clientVersion isTrusted } } } } } }`,
    );
    expect(response.errors).toEqual([]);
    expect(response.data.documentReleases.totalCount).toBe((await everything()).releases.length);
    expect(response.data.documentReleases.nodes).toEqual([
      {
        id: expect.stringMatching(/^release_/),
        client: 'listed',
        version: '1',
        documentCount: 2,
        publishedBy: { email: 'admin@example.com' },
        documents: {
          totalCount: 2,
          nodes: [
            {
              id: expect.stringMatching(/^document_/),
              documentId: `sha256:${hashOf(text('listed'))}`,
              hash: hashOf(text('listed')),
              text: text('listed'),
              operationName: 'Models',
              usage: { count: 2, client: 'listed', clientVersion: '1', isTrusted: true },
            },
            {
              id: expect.stringMatching(/^document_/),
              documentId: `sha256:${hashOf(text('listedToo'))}`,
              hash: hashOf(text('listedToo')),
              text: text('listedToo'),
              operationName: 'Models',
              usage: null,
            },
          ],
        },
      },
    ]);
  });

  it('is paginated', async () => {
    const page = (after: string | null) =>
      gateway.execute<AnyData>(
        'admin',
        'query ($after: String) { documentReleases(first: 2, after: $after) { nodes { client version } pageInfo { hasNextPage endCursor } } }',
        { after },
      );
    const first = (await page(null)).data.documentReleases;
    const second = (await page(first.pageInfo.endCursor)).data.documentReleases;
    expect(first.pageInfo.hasNextPage).toBe(true);
    expect(first.nodes).toHaveLength(2);
    expect(second.nodes).toHaveLength(2);
    expect(new Set([...first.nodes, ...second.nodes].map(({ client, version }) => `${client} ${version}`)).size).toBe(
      4,
    );
  });
});

describe('another replica', () => {
  it('follows publishing and retiring within 3 s, and keeps releases across a restart', async () => {
    const env = { TRUSTED_DOCUMENTS: 'enforce', DATABASE_URL: gateway.databaseUrl };
    let other = await startGateway(env);
    const document = text('replicated');
    try {
      expect(await isTrusted(document, other)).toBe(false);
      await publish('admin', 'replicas', '1', presetManifest(document));
      // By the notification, before the next poll in 5 s.
      await waitUntil(() => isTrusted(document, other), 'The change', 3_000);
      await other.close();
      other = await startGateway(env);
      expect(await isTrusted(document, other)).toBe(true);
      await retire('admin', 'replicas', '1');
      await waitUntil(async () => !(await isTrusted(document, other)), 'The change', 3_000);
    } finally {
      await other.close();
    }
  });
});

describe('the publication watcher', () => {
  const log = createLogger('silent');
  const watch = (trusted: TrustedDocuments, pollMs: number) =>
    new PublicationWatcher({ db: gateway.db, databaseUrl: gateway.databaseUrl, trusted, log, pollMs });
  const insert = (client: string, document: string) =>
    sql`with release as (
      insert into document_release (id, client, version, digest, document_count, characters, published_at)
      values (gen_random_uuid(), ${client}, '1', '', 1, 1, now()) returning id
    )
    insert into published_document (id, release_id, document_id, hash, text) select gen_random_uuid(), id, 'it', ${hashOf(document)}, ${document} from release`.execute(
      gateway.db,
    );

  it('finds a release without a notification by polling', async () => {
    const trusted = new TrustedDocuments();
    const watcher = watch(trusted, 50);
    await watcher.ready();
    try {
      await insert('unannounced', text('unannounced'));
      await waitUntil(() => trusted.byHash(hashOf(text('unannounced'))) !== null);
    } finally {
      await watcher.close();
    }
  });

  it('does not become ready without the database, and keeps trusted documents during an outage', async () => {
    const [trusted, other] = [new TrustedDocuments(), new TrustedDocuments()];
    const watcher = watch(trusted, 3_600_000);
    await watcher.ready();
    const before = trusted.all();
    expect(before.length).toBeGreaterThan(1000);
    await gateway.db.schema.alterTable('document_release').renameTo('document_release_renamed').execute();
    try {
      await expect(watch(other, 3_600_000).ready()).rejects.toThrow('document_release');
      await watcher.refresh();
      expect(trusted.all()).toEqual(before);
    } finally {
      await gateway.db.schema.alterTable('document_release_renamed').renameTo('document_release').execute();
      await watcher.close();
    }
  });
});

it('publishes and retires by custom documents as by the built-in ones', async () => {
  const response = await gateway.execute<AnyData>('admin', publishing, {
    client: 'direct',
    version: '1',
    manifest: presetManifest(text('direct')),
  });
  expect(response.data.publishDocuments).toMatchObject({ id: expect.stringMatching(/^release_/), documentCount: 1 });
  const { releases } = await everything();
  expect((await gateway.execute<AnyData>('admin', retiring, { client: 'direct', version: '1' })).data).toEqual({
    retireDocuments: { retiredReleaseId: response.data.publishDocuments.id, remainingCount: releases.length - 1 },
  });
});
