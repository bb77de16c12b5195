import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { projectDir } from '../support/process.js';
import { waitUntil } from '../support/wait-until.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({
    RATE_LIMIT_PER_VIEWER: '0',
    RATE_LIMIT_PER_ADDRESS: '0',
    RATE_LIMIT_PREDICTION_ROWS: '0',
  });
});
afterAll(() => gateway.close());

/** Runs `npm run load`. */
async function runLoad(...flags: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [path.join(projectDir, 'bench', 'load', 'load.ts'), ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

const employees = async (): Promise<number> => (await gateway.db.selectFrom('employee').select('id').execute()).length;

describe('npm run load', () => {
  it('reports each kind of request and leaves the employees unchanged', async () => {
    const before = await employees();
    const { code, stdout, stderr } = await runLoad('--url', gateway.url, '--seconds', '3', '--connections', '4');
    expect([code, stderr]).toEqual([0, '']);
    const kinds = stdout
      .split('\n')
      .filter((line) => /\d$/.test(line))
      .map((line) => line.split('  ')[0]);
    expect(kinds).toEqual([
      'page of employees',
      'one employee',
      'departments (GET)',
      'cached prediction',
      'new prediction',
      'batch of 100 predictions',
      'mutation',
      'all',
    ]);
    expect(stdout).toMatch(/responses other than 2xx: 0; failures: none\n$/);
    expect(await employees()).toBe(before);
  }, 60_000);

  it('exits with 1 and lists error codes if requests fail', async () => {
    const limited = await startGateway({ MAX_QUERY_COST: '60' });
    try {
      const { code, stdout } = await runLoad('--url', limited.url, '--seconds', '2', '--connections', '2');
      expect(code).toBe(1);
      expect(stdout).toMatch(/failures: .*QUERY_TOO_LARGE \d+/);
    } finally {
      await limited.close();
    }
  }, 60_000);

  it('counts requests without a response', async () => {
    const closing = await startGateway();
    const running = runLoad('--url', closing.url, '--seconds', '4', '--connections', '2');
    const mutatedEmployees = () =>
      closing.db
        .selectFrom('employee')
        .select('id')
        .where('salary', '<', 2000)
        .where('email', 'like', 'load-%')
        .where('salary', '>', 1000)
        .execute();
    // The warm-up is over.
    await waitUntil(async () => (await mutatedEmployees()).length > 2, 'The change', 30_000);
    await closing.close();
    const { code, stderr, stdout } = await running;
    expect(code).toBe(1);
    expect(stdout).toMatch(/failures: .*NO_RESPONSE \d+/);
    expect(stderr).toMatch(/^Removing the employees load-… failed: .*\n$/);
  }, 60_000);

  it('rejects invalid and unknown options', async () => {
    expect(await runLoad('--seconds', 'ten')).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^--seconds must be a whole number from 1 to 86400; received ten\n/),
    });
    const { code, stderr } = await runLoad('--second', '10');
    expect([code, stderr]).toEqual([2, expect.stringContaining('Usage: npm run load -- [options]')]);
  });
});
