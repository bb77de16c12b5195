import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { metricsIn, readPanels, type Dashboard } from '../../ops/check/panels.ts';
import { buildProgram, projectDir } from '../support/process.js';
import { reasonToSkipPrometheus } from '../support/prometheus.js';

const dashboardsDir = path.join(projectDir, 'ops', 'grafana', 'dashboards');

interface CheckResult {
  exitCode: number;
  /** Number of queries with data. */
  passed: number;
  /** Lines of the failed queries. */
  failed: string[];
  output: string;
}

/** Runs the check like `npm run dashboards:check`. */
async function runCheck(...args: string[]): Promise<CheckResult> {
  const child = spawn(process.execPath, [path.join(projectDir, 'ops', 'check-dashboards.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [exitCode] = (await once(child, 'close')) as [number];
  return {
    exitCode,
    passed: output.match(/^ok /gm)?.length ?? 0,
    failed: [...output.matchAll(/^FAIL (.*)$/gm)].map(([, line = '']) => line.replace(/ {2,}/g, ' | ')),
    output,
  };
}

const skipped = reasonToSkipPrometheus();
(skipped === null ? describe : describe.skip)(
  `a check with load${skipped === null ? '' : ` (skipped: ${skipped})`}`,
  () => {
    let folder: string;
    beforeAll(async () => {
      buildProgram();
      folder = await mkdtemp(path.join(tmpdir(), 'auspex-dashboards-'));
      await cp(dashboardsDir, folder, { recursive: true });
      const security = JSON.parse(await readFile(path.join(folder, 'security.json'), 'utf8')) as Dashboard;
      const panels = [
        ['Unknown metric', 'rate(auspex_unknown_total[$__rate_interval])'],
        ['Unknown label value', 'auspex_subscriptions_open{transport="unknown"}'],
        ['Not a number', 'auspex_ready * 0 / 0'],
      ].map(([title, expr]) => ({ ...security.panels[1], title, targets: [{ refId: 'A', expr }] }));
      await writeFile(path.join(folder, 'broken.json'), JSON.stringify({ ...security, title: 'Broken', panels }));
    }, 60_000);
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it('finds data for every panel and detects broken panels', async () => {
      const { exitCode, passed, failed, output } = await runCheck('--dashboards', folder);
      expect({ failed, output: failed.length === 3 ? '' : output }).toEqual({
        failed: [
          'Broken | Unknown metric | A | unknown metric: auspex_unknown_total',
          'Broken | Unknown label value | A | no data',
          'Broken | Not a number | A | no data',
        ],
        output: '',
      });
      expect(exitCode).toBe(1);
      expect(passed).toBeGreaterThan(80);
    }, 150_000);
  },
);

describe('a check of a running Prometheus', () => {
  let prometheus: Server;
  let missingMetric = '';
  beforeAll(async () => {
    const queries = await readPanels(dashboardsDir, { __rate_interval: '1m' });
    const metrics = queries.flatMap(({ expr }) => metricsIn(expr));
    prometheus = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://prometheus');
      const isMissing = missingMetric !== '' && (searchParams.get('query') ?? '').includes(missingMetric);
      const data = pathname.endsWith('/values')
        ? [...new Set(metrics)]
        : { result: isMissing ? [] : [{ values: [[1, '0']] }] };
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ status: 'success', data }));
    });
    prometheus.listen(0, '127.0.0.1');
    await once(prometheus, 'listening');
  });
  afterAll(() => void prometheus.close());
  const url = (): string => `http://127.0.0.1:${(prometheus.address() as AddressInfo).port}`;

  it('passes if each query has data', async () => {
    missingMetric = '';
    const { exitCode, failed, output } = await runCheck('--prometheus', url());
    expect({ exitCode, failed }).toEqual({ exitCode: 0, failed: [] });
    expect(output).toMatch(/(\d+) of \1 queries have data\.\n$/);
  });

  it('fails and names the panels without data', async () => {
    missingMetric = 'auspex_logins_total';
    const { exitCode, failed } = await runCheck('--prometheus', url());
    expect(exitCode).toBe(1);
    expect(failed).toEqual(
      ['Failed sign-ins (1h)', 'Sign-ins by outcome', 'Sign-in failure ratio'].map(
        (panel) => `Auspex / Security | ${panel} | A | no data`,
      ),
    );
  });
});
