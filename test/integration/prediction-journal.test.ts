import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newId } from '../../src/database/base.entity.js';
import { migrate } from '../../src/database/migrate/migrate.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import type { Database } from '../../src/database/tables.js';
import { domains } from '../../src/domains/index.js';
import { PredictionHistory } from '../../src/domains/prediction/history/history.js';
import { journalDirOf } from '../../src/domains/prediction/history/journal-dir.js';
import { journalBlock } from '../../src/domains/prediction/history/journal-blocks.js';
import { RowCollector, type StoredRows } from '../../src/domains/prediction/history/stored-rows.js';
import { PredictionSource } from '../../src/domains/prediction/prediction.entity.js';
import type { PredictionRow } from '../../src/domains/prediction/prediction.types.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { breakPredictionWrites, countStored, recordCall } from '../support/prediction-history.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { waitUntil } from '../support/wait-until.js';

const silent = createLogger('silent');
let database: TestDatabase;
let db: Database;
let close: () => Promise<void>;
let dir: string;

beforeAll(async () => {
  database = await createTestDatabase();
  const orm = openOrm({ url: database.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 8 });
  await migrate(orm, database.url);
  db = databaseOf(orm);
  close = () => orm.close();
});
afterAll(async () => {
  await close();
  await database.drop();
});
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'auspex-journal-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const rows = (count: number): PredictionRow[] =>
  Array.from({ length: count }, () => ({
    ...{
      id: newId(),
      userId: null,
      model: 'iris',
      version: 1,
      digest: 'd',
      input: { text: 'a\nb\u2028"c" é' },
      output: {},
    },
    ...{ units: null, signatureDigest: null, source: PredictionSource.MODEL, ageSeconds: 0, durationMs: 1 },
    createdAt: new Date(),
  }));

function collected(rows: readonly PredictionRow[]): StoredRows {
  const collector = new RowCollector();
  for (const row of rows) collector.add(row);
  return collector.take();
}

/** Earlier releases wrote a line for each row, at first without units. */
function lineOfEarlierRelease({ id, input, output, createdAt }: PredictionRow): string {
  const shared = {
    user_id: null,
    model: 'iris',
    version: 1,
    digest: 'd',
    source: 'MODEL',
    age_seconds: 0,
    duration_ms: 1,
  };
  return `${JSON.stringify({ id, ...shared, input, output, created_at: createdAt })}\n`;
}

const stored = (rows: readonly PredictionRow[]): Promise<number> => countStored(db, rows);

async function openHistory(at = dir): Promise<PredictionHistory> {
  const history = new PredictionHistory(db, silent);
  await history.openJournal(at);
  return history;
}

const breakWrites = (): Promise<() => Promise<void>> => breakPredictionWrites(db);

const journalText = async (): Promise<string> => {
  const texts = (await readdir(dir)).map((file) => readFile(path.join(dir, file), 'utf8'));
  return (await Promise.all(texts)).join('');
};

/** The files were written long enough ago. */
const rest = async (): Promise<void> => {
  for (const file of await readdir(dir)) await utimes(path.join(dir, file), new Date(), new Date(Date.now() - 60_000));
};

describe('the journal of predictions', () => {
  it('has a prediction before its call returns, until it is written', async () => {
    const history = await openHistory();
    const repair = await breakWrites();
    const all = rows(600);
    await recordCall(history, 'iris', all);
    const text = await journalText();
    // Blocks of at most 250 rows: a head, and a line for each input and each output.
    expect(text.trim().split('\n')).toHaveLength(3 + 2 * 600);
    expect(all.filter(({ id }) => !text.includes(id))).toEqual([]);
    expect(history.room.journal).toEqual({ isUp: true, bytes: Buffer.byteLength(text) });
    await repair();
    await waitUntil(() => history.room.journal?.bytes === 0);
    expect(await journalText()).toBe('');
    expect(await stored(all)).toBe(600);
    await history.close();
    expect(await readdir(dir)).toEqual([]);
  });

  it('gives the next start what a killed process left, also a second time, and without a block that was cut off', async () => {
    const killed = await openHistory();
    const repair = await breakWrites();
    const all = rows(700);
    await recordCall(killed, 'iris', all);
    const text = await journalText();
    await repair();
    await killed.close();
    expect(await stored(all)).toBe(700);
    const [sent, earlier, cutOff] = [rows(2), rows(2), rows(2)];
    const block = (replaced: readonly PredictionRow[]): string =>
      journalBlock(collected(replaced)).replaceAll('"units":null,"signature_digest":null,', '');
    await writeFile(path.join(dir, 'killed-1.blocks'), `${text}${block(sent)}${block(cutOff).slice(0, -1)}`);
    const lines = earlier.map(lineOfEarlierRelease).join('');
    await writeFile(path.join(dir, 'killed-2.jsonl'), `${lines}${lines.slice(0, 50)}`);
    await rest();
    const next = await openHistory();
    const fresh = rows(1);
    await recordCall(next, 'iris', fresh);
    await waitUntil(async () => (await readdir(dir)).every((file) => !file.startsWith('killed')));
    await next.close();
    const counts = await Promise.all([all, sent, earlier, cutOff, fresh].map((some) => stored(some)));
    expect(counts).toEqual([700, 2, 2, 0, 1]);
    const [read] = await db
      .selectFrom('prediction')
      .select(['input', 'output'])
      .where('id', '=', earlier[0]?.id ?? '')
      .execute();
    expect(read).toEqual({ input: earlier[0]?.input, output: {} });
    expect([next.lost, await readdir(dir)]).toEqual([0, []]);
  });

  it('keeps what cannot be written before a shutdown', async () => {
    const history = await openHistory();
    const repair = await breakWrites();
    const all = rows(5);
    await recordCall(history, 'iris', all);
    await history.close(10);
    expect([history.lost, await stored([]).catch(() => 'broken')]).toEqual([0, 'broken']);
    await rest();
    const next = await openHistory();
    await repair();
    await waitUntil(async () => (await stored(all)) === 5);
    await waitUntil(async () => (await journalText()) === '');
    await next.close();
  });

  it('leaves the files of a process that runs', async () => {
    const history = await openHistory();
    const repair = await breakWrites();
    const all = rows(2);
    await recordCall(history, 'iris', all);
    const other = await openHistory();
    expect(await journalText()).toContain(all[0]?.id);
    await other.close();
    expect(await journalText()).toContain(all[0]?.id);
    await repair();
    await history.close();
    expect(await stored(all)).toBe(2);
  });

  it('follows tables that have moved out of the schema public', async () => {
    const entities = domains.flatMap((domain) => domain.entities);
    const before = openOrm({ url: database.url, schema: 'public', entities, poolSize: 1 });
    try {
      const inPublic = await journalDirOf(databaseOf(before), dir);
      await mkdir(inPublic);
      await writeFile(path.join(inPublic, 'pending.jsonl'), '');
      const own = await journalDirOf(db, dir);
      expect(own).not.toBe(inPublic);
      expect(await readdir(own)).toEqual(['pending.jsonl']);
      expect(await readdir(dir)).not.toContain(path.basename(inPublic));
      await rm(own, { recursive: true });
    } finally {
      await before.close();
    }
  });

  it('is missing where the directory cannot be written, and predictions are recorded without it', async () => {
    const file = path.join(dir, 'file');
    await writeFile(file, '');
    const history = await openHistory(path.join(file, 'journal'));
    expect(history.room.journal).toBeNull();
    const all = rows(3);
    await recordCall(history, 'iris', all);
    await history.close();
    expect(await stored(all)).toBe(3);
  });

  it('fails without failing calls when its directory disappears', async () => {
    const history = await openHistory();
    await rm(dir, { recursive: true });
    const all: PredictionRow[] = [];
    await waitUntil(async () => {
      const [row] = rows(1);
      if (row) all.push(row);
      await recordCall(history, 'iris', all.slice(-1));
      return history.room.journal?.isUp === false;
    });
    await history.close();
    expect([await stored(all), history.lost]).toEqual([all.length, 0]);
  });

  it('has a directory for each database', async () => {
    const other = await createTestDatabase();
    const orm = openOrm({ url: other.url, entities: domains.flatMap((domain) => domain.entities), poolSize: 1 });
    try {
      const [here, again, there] = [
        await journalDirOf(db, dir),
        await journalDirOf(db, dir),
        await journalDirOf(databaseOf(orm), dir),
      ];
      expect([here === again, here === there, path.dirname(here)]).toEqual([true, false, dir]);
    } finally {
      await orm.close();
      await other.drop();
    }
  });
});
