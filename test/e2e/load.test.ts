import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { startGateway, type TestGateway } from '../kit/gateway.js';
import { projectDir } from '../kit/process.js';
import { until } from '../kit/until.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ RATE_LIMIT_PER_VIEWER: '0', RATE_LIMIT_PER_ADDRESS: '0' });
});
afterAll(() => gateway.close());

/** Runs it as `npm run load` does. */
async function load(...flags: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [path.join(projectDir, 'bench', 'load', 'load.ts'), ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

const employees = async (): Promise<number> => (await gateway.db.selectFrom('employee').select('id').execute()).length;

describe('npm run load', () => {
  it('tells of each kind of request, and leaves the employees as they were', async () => {
    const before = await employees();
    const { code, stdout, stderr } = await load('--url', gateway.url, '--seconds', '3', '--connections', '4');
    expect([code, stderr]).toEqual([0, '']);
    const kinds = stdout.split('\n').filter((line) => /\d$/.test(line)).map((line) => line.split('  ')[0]);
    expect(kinds).toEqual(['a page of employees', 'one employee', 'departments, by GET', 'a known prediction', 'a new prediction', '100 predictions', 'a change', 'all']);
    expect(stdout).toMatch(/answers that were not 2xx: 0; failures: none\n$/);
    expect(await employees()).toBe(before);
  }, 60_000);

  it('exits 1 and names the codes where answers fail', async () => {
    const poor = await startGateway({ MAX_QUERY_COST: '60' });
    try {
      const { code, stdout } = await load('--url', poor.url, '--seconds', '2', '--connections', '2');
      expect(code).toBe(1);
      expect(stdout).toMatch(/failures: .*QUERY_TOO_LARGE \d+/);
    } finally {
      await poor.close();
    }
  }, 60_000);

  it('counts what is never answered', async () => {
    const dying = await startGateway();
    const running = load('--url', dying.url, '--seconds', '4', '--connections', '2');
    const changes = () => dying.db.selectFrom('employee').select('id').where('salary', '<', 2000).where('email', 'like', 'load-%').where('salary', '>', 1000).execute();
    // Under way, and warm.
    await until(async () => (await changes()).length > 2, 30_000);
    await dying.close();
    const { code, stderr, stdout } = await running;
    expect(code).toBe(1);
    expect(stdout).toMatch(/failures: .*NO_ANSWER \d+/);
    expect(stderr).toMatch(/^The employees load-… whom the load has hired are still there: .*\n$/);
  }, 60_000);

  it('says what is wrong with a flag', async () => {
    expect(await load('--seconds', 'ten')).toEqual({ code: 1, stdout: '', stderr: '--seconds must be a whole number from 1 to 86400; it is ten\n' });
    const { code, stderr } = await load('--second', '10');
    expect([code, stderr]).toEqual([1, expect.stringContaining('npm run load -- [--url')]);
  });
});
