import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { hashOf } from '../../src/persisted-documents/document-request.js';
import { UsageCounter } from '../../src/persisted-documents/usage.js';
import { UsageWriter } from '../../src/domains/persisted-document/usage.writer.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { presetManifest, send } from '../support/documents.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';

const text = (alias: string): string => `query Models { models { ${alias}: name } }`;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

const usageOf = async (on: TestGateway, client: string): Promise<AnyData[]> => {
  const response = await on.execute<AnyData>(
    'admin',
    'query ($client: String) { documentUsage(first: 100, client: $client) { totalCount nodes { id hash clientVersion operationName count isTrusted firstUsedAt lastUsedAt } } }',
    { client },
  );
  expect(response.errors).toEqual([]);
  expect(response.data.documentUsage.totalCount).toBe(response.data.documentUsage.nodes.length);
  return response.data.documentUsage.nodes;
};

describe('the usage of documents', () => {
  it('is exact per document and version under load on two replicas', async () => {
    const other = await startGateway({ DATABASE_URL: gateway.databaseUrl });
    try {
      const calls = Array.from({ length: 400 }, (_, at) =>
        send(
          at % 2 === 0 ? gateway : other,
          { query: text(at % 4 < 2 ? 'a' : 'b') },
          { caller: 'user', client: 'load', version: at % 8 < 4 ? '1' : '2' },
        ),
      );
      for (const response of await Promise.all(calls)) expect(response.errors).toEqual([]);
    } finally {
      // Counts are flushed at shutdown.
      await other.close();
    }
    const counted = (await usageOf(gateway, 'load')).map(
      ({ hash, clientVersion, count, operationName, isTrusted }) => ({
        hash,
        clientVersion,
        count,
        operationName,
        isTrusted,
      }),
    );
    const row = (alias: string, clientVersion: string) => ({
      hash: hashOf(text(alias)),
      clientVersion,
      count: 100,
      operationName: 'Models',
      isTrusted: false,
    });
    expect(counted).toHaveLength(4);
    expect(counted).toEqual(expect.arrayContaining([row('a', '1'), row('b', '1'), row('a', '2'), row('b', '2')]));
  });

  it('has the times of the first and last use and is sorted by the last', async () => {
    const before = new Date();
    await send(gateway, { query: text('first') }, { caller: 'user', client: 'times' });
    await usageOf(gateway, 'times');
    await send(gateway, { query: text('second') }, { caller: 'user', client: 'times' });
    expect((await usageOf(gateway, 'times')).map(({ hash }) => hash)).toEqual([
      hashOf(text('second')),
      hashOf(text('first')),
    ]);
    await send(gateway, { query: text('first') }, { caller: 'user', client: 'times' });
    const [first, second] = await usageOf(gateway, 'times');
    expect([first.hash, second.hash, first.count]).toEqual([hashOf(text('first')), hashOf(text('second')), 2]);
    expect(new Date(first.firstUsedAt).getTime()).toBeGreaterThanOrEqual(before.getTime());
    expect(first.firstUsedAt < second.firstUsedAt && second.lastUsedAt < first.lastUsedAt).toBe(true);
  });

  it('counts rejected documents, but not requests without a known document', async () => {
    await send(gateway, { documentId: 'unknown' }, { client: 'rejected' });
    await send(gateway, { query: text('x'), id: 'both' }, { client: 'rejected' });
    expect(await usageOf(gateway, 'rejected')).toEqual([]);
    await send(gateway, { query: text('x') }, { client: 'rejected' });
    expect(await usageOf(gateway, 'rejected')).toMatchObject([{ count: 1 }]);
  });

  it('shows a document as trusted once it is published', async () => {
    await send(gateway, { query: text('later') }, { caller: 'user', client: 'later', version: '1' });
    expect(await usageOf(gateway, 'later')).toMatchObject([{ isTrusted: false }]);
    const published = await gateway.execute<AnyData>(
      'admin',
      'mutation ($manifest: JSONObject!) { publishDocuments(client: "later", version: "1", manifest: $manifest) { version } }',
      { manifest: presetManifest(text('later')) },
    );
    expect(published.errors).toEqual([]);
    expect(await usageOf(gateway, 'later')).toMatchObject([{ isTrusted: true, count: 1 }]);
  });

  it('is written in the background', async () => {
    await send(gateway, { query: text('byItself') }, { caller: 'user', client: 'byItself' });
    const rows = () => gateway.db.selectFrom('document_usage').selectAll().where('client', '=', 'byItself').execute();
    await waitUntil(async () => (await rows()).length === 1);
  });

  it('is paginated', async () => {
    const page = (after: string | null) =>
      gateway.execute<AnyData>(
        'admin',
        'query ($after: String) { documentUsage(first: 3, after: $after, client: "load") { nodes { id } pageInfo { hasNextPage endCursor } } }',
        { after },
      );
    const first = (await page(null)).data.documentUsage;
    const second = (await page(first.pageInfo.endCursor)).data.documentUsage;
    expect([first.nodes.length, second.nodes.length, second.pageInfo.hasNextPage]).toEqual([3, 1, false]);
    expect(new Set([...first.nodes, ...second.nodes].map(({ id }) => id)).size).toBe(4);
  });
});

describe('the usage writer', () => {
  let usage: UsageCounter;
  let writer: UsageWriter;
  let logs: string[];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      logs.push(chunk.toString());
      done();
    },
  });
  const write = (options: { maxRows?: number; purgeAfterRows?: number } = {}) =>
    new UsageWriter({ db: gateway.db, usage, log: createLogger('info', sink), everyMs: 3_600_000, ...options });
  const rows = () =>
    gateway.db
      .selectFrom('document_usage')
      .selectAll()
      .where('client', 'like', 'writer%')
      .orderBy('last_used_at')
      .execute();
  const count = (alias: string, isTrusted: boolean) => {
    usage.count(
      { hash: hashOf(text(alias)), text: text(alias), isTrusted },
      { name: 'writer', version: '1' },
      !isTrusted,
    );
  };

  beforeEach(async () => {
    usage = new UsageCounter();
    logs = [];
    await gateway.db.deleteFrom('document_usage').execute();
  });

  it('retries a failed write and counts each use once', async () => {
    writer = write();
    count('a', true);
    await gateway.db.schema.alterTable('document_usage').renameTo('document_usage_renamed').execute();
    await writer.write();
    count('a', true);
    await writer.write();
    await gateway.db.schema.alterTable('document_usage_renamed').renameTo('document_usage').execute();
    count('a', true);
    await Promise.all([writer.write(), writer.write()]);
    await writer.close();
    expect((await rows()).map((row) => [String(row.count), String(row.refusable_count)])).toEqual([['3', '0']]);
    expect(logs.filter((line) => line.includes('document usage write failed; retrying'))).toHaveLength(1);
  });

  it('logs the number of lost uses if the database is unavailable at shutdown', async () => {
    writer = write();
    count('a', true);
    count('b', false);
    await gateway.db.schema.alterTable('document_usage').renameTo('document_usage_renamed').execute();
    await writer.close();
    await gateway.db.schema.alterTable('document_usage_renamed').renameTo('document_usage').execute();
    expect(
      logs
        .filter((line) => line.includes('document usage lost'))
        .map((line) => (JSON.parse(line) as { uses: number }).uses),
    ).toEqual([2]);
  });

  it('limits the rows, and deletes untrusted and least recently used documents first', async () => {
    writer = write({ maxRows: 3, purgeAfterRows: 1 });
    for (const [second, [alias, isTrusted]] of (
      [
        ['old', true],
        ['a', false],
        ['b', false],
        ['new', true],
        ['c', false],
      ] as const
    ).entries()) {
      const at = new Date(Date.UTC(2026, 0, 1, 0, 0, second));
      usage.restore([
        {
          hash: hashOf(text(alias)),
          client: 'writer',
          clientVersion: '1',
          operationName: null,
          isTrusted,
          count: 1,
          refusableCount: 0,
          firstUsedAt: at,
          lastUsedAt: at,
        },
      ]);
      await writer.write();
    }
    await writer.close();
    expect((await rows()).map(({ hash, is_trusted: isTrusted }) => [hash, isTrusted])).toEqual([
      [hashOf(text('old')), true],
      [hashOf(text('new')), true],
      [hashOf(text('c')), false],
    ]);
  });

  it('stores any client name and version, truncated and without invalid characters', async () => {
    writer = write();
    usage.count(
      { hash: hashOf('x'), text: 'x', isTrusted: false },
      { name: `writer\0 \ud800 "quoted" {1,2}`, version: 'é'.repeat(300) },
      false,
    );
    usage.count(
      { hash: hashOf('x'), text: 'x', isTrusted: false },
      { name: `writer \ufffd "quoted" {1,2}`, version: 'é'.repeat(100) },
      false,
    );
    await writer.close();
    expect((await rows()).map((row) => [row.client, row.client_version, String(row.count)])).toEqual([
      ['writer \ufffd "quoted" {1,2}', 'é'.repeat(100), '2'],
    ]);
  });
});
