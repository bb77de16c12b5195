import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { post, signIn } from '../support/callers.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startOutageGateway, type OutageGateway } from '../support/outage-gateway.js';
import { buildProgram, projectDir, reachableFolder } from '../support/process.js';
import { waitUntil } from '../support/wait-until.js';

let dir: string;
let database: TestDatabase;
let client: pg.Client;
let gateway: OutageGateway;

beforeAll(async () => {
  buildProgram();
  dir = await reachableFolder();
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
}, 120_000);
afterAll(async () => {
  await gateway.stop();
  await client.end();
  await database.drop();
  await rm(dir, { recursive: true, force: true });
}, 60_000);

const start = (): Promise<OutageGateway> =>
  startOutageGateway({ databaseUrl: database.url, modelStore: path.join(projectDir, 'model-store'), dir });

async function countStored(): Promise<number> {
  const { rows } = await client.query<{ count: number }>('select count(*)::int as count from prediction');
  return rows[0]?.count ?? 0;
}

/** The ids of all predictions of a user. */
async function historyOf(token: string): Promise<Set<string>> {
  const ids = new Set<string>();
  let after: string | null = null;
  do {
    const { body } = await post(
      gateway.url,
      token,
      'query ($after: String) { predictions(first: 100, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } }',
      { after },
    );
    const { nodes, pageInfo } = body.data.predictions as {
      nodes: { id: string }[];
      pageInfo: { endCursor: string; hasNextPage: boolean };
    };
    for (const { id } of nodes) ids.add(id);
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  } while (after !== null);
  return ids;
}

describe('a gateway that is killed while it predicts', () => {
  it('has every prediction that it returned in the history after the next start', async () => {
    gateway = await start();
    const token = await signIn(gateway.url, 'user');
    const returned: string[] = [];
    let isKilled = false;
    let petals = 1;
    const caller = async (): Promise<void> => {
      while (!isKilled) {
        const inputs = Array.from({ length: 5 }, () => ({ petal_length: (petals += 0.0001), petal_width: 1 }));
        const response = await post(
          gateway.url,
          token,
          'query ($inputs: [JSONObject!]!) { predict(model: "iris", inputs: $inputs) { id } }',
          { inputs },
        ).catch(() => null);
        // Calls in flight when it was killed have no response.
        for (const { id } of response?.body.data?.predict ?? []) returned.push(id as string);
      }
    };
    const callers = Array.from({ length: 8 }, caller);
    await waitUntil(() => returned.length > 200, 'Predictions', 30_000);
    // From here on the history cannot write: what is returned waits in the journal alone.
    await client.query('alter table prediction rename to prediction_renamed');
    const before = returned.length;
    await waitUntil(() => returned.length > before + 200, 'More predictions', 30_000);
    gateway.process.signal('SIGKILL');
    expect(await gateway.process.ended).toBe('SIGKILL');
    isKilled = true;
    await Promise.all(callers);
    await client.query('alter table prediction_renamed rename to prediction');
    // Without the journal these would be lost.
    const count = await countStored();
    expect(count).toBeLessThan(returned.length);

    gateway = await start();
    const isRecovered = ({ msg }: Record<string, unknown>): boolean =>
      msg === 'predictions of a killed process recovered from its journal';
    await waitUntil(() => gateway.logs().some(isRecovered), 'The recovery', 30_000);
    const ids = await historyOf(await signIn(gateway.url, 'user'));
    expect(new Set(returned).size).toBe(returned.length);
    expect(returned.filter((id) => !ids.has(id))).toEqual([]);
    process.stdout.write(
      `kill -9: ${returned.length} predictions returned, ${count} of them in the database, all after the next start\n`,
    );
  }, 120_000);
});
