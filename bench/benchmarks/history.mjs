/* The history of predictions without models: one writer against four, and the cost of the journal. Measured alternately, as ratios. */
import 'reflect-metadata';
import { databaseOf, openOrm } from '../../dist/database/orm.js';
import { newId } from '../../dist/database/base.entity.js';
import { migrate } from '../../dist/database/migrate/migrate.js';
import { domains } from '../../dist/domains/index.js';
import { PredictionHistory } from '../../dist/domains/prediction/history/history.js';
import { createLogger } from '../../dist/telemetry/logger.js';
import { median, startPostgres, temporaryFolder } from '../support/setup.mjs';

const rounds = 5;
const roundMs = 3_000;
const logger = createLogger('silent');

await using resources = new AsyncDisposableStack();
const dir = await temporaryFolder(resources);
const url = await startPostgres(resources, dir);
const orm = openOrm({ url, entities: domains.flatMap((domain) => domain.entities), poolSize: 10 });
resources.defer(() => orm.close());
await migrate(orm, url);
const db = databaseOf(orm);
const journalDir = await temporaryFolder(resources);

const table = {};
await compare('16 callers of 1000 rows, rows/s: four writers / one writer', {
  left: () => record({ callers: 16, rows: 1000 }),
  right: () => record({ callers: 16, rows: 1000, maxWriters: 1 }),
});
await compare('16 callers of 1000 rows, rows/s: with journal / without', {
  left: () => record({ callers: 16, rows: 1000, hasJournal: true }),
  right: () => record({ callers: 16, rows: 1000 }),
});
await compare('16 callers of one row, rows/s: with journal / without', {
  left: () => record({ callers: 16, rows: 1, hasJournal: true }),
  right: () => record({ callers: 16, rows: 1 }),
});
console.table(table);

async function compare(name, { left, right }) {
  const ratios = [];
  for (let round = 0; round < rounds; round += 1) {
    const [one, other] =
      round % 2 === 0 ? [await left(), await right()] : (([b, a]) => [a, b])([await right(), await left()]);
    ratios.push(one / other);
  }
  table[name] = {
    ratio: median(ratios).toFixed(2),
    lowest: Math.min(...ratios).toFixed(2),
    highest: Math.max(...ratios).toFixed(2),
  };
}

/** @returns recorded rows per second, until all are in the database */
async function record({ callers, rows, maxWriters = 4, hasJournal = false }) {
  const history = new PredictionHistory(db, logger, { maxWriters });
  if (hasJournal) await history.openJournal(journalDir);
  const startedAt = performance.now();
  let recorded = 0;
  const call = async () => {
    while (performance.now() - startedAt < roundMs) {
      try {
        using room = await history.reserve({ model: 'car-price', rows });
        await room.record(Array.from({ length: rows }, newRow));
        recorded += rows;
      } catch (error) {
        if (error.code !== 'OVERLOADED') throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  await history.close();
  return (recorded * 1000) / (performance.now() - startedAt);
}

function newRow() {
  return {
    id: newId(),
    userId: null,
    model: 'car-price',
    version: 1,
    digest: 'd'.repeat(64),
    input: { company: 'Ford', year: 2012, km_driven: 50_000, fuel: 'Diesel' },
    output: { selling_price: 412_345.5 },
    units: { selling_price: 'INR' },
    signatureDigest: 'a'.repeat(32),
    source: 'MODEL',
    ageSeconds: 0,
    durationMs: 1.234,
    createdAt: new Date(),
  };
}
