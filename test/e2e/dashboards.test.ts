import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Dashboard, PlacedPanel } from '../../ops/grafana/json.ts';
import { buildProgram, projectDir } from '../kit/process.js';
import { reasonToSkipPrometheus } from '../kit/prometheus.js';

const dashboardsDir = path.join(projectDir, 'ops', 'grafana', 'dashboards');

/** Runs the check as `npm run dashboards:check` does; its exit code, what it found to have data, and what not. */
async function check(...args: string[]): Promise<{ code: number; ok: number; without: string[]; said: string }> {
  const child = spawn(process.execPath, [path.join(projectDir, 'ops', 'check-dashboards.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, ok: said.match(/^ok /gm)?.length ?? 0, without: [...said.matchAll(/^NO {2}(.*)$/gm)].map(([, line = '']) => line.replace(/ {2,}/g, ' | ')), said };
}

let folder: string;
beforeAll(async () => {
  buildProgram();
  folder = await mkdtemp(path.join(tmpdir(), 'auspex-dashboards-'));
  await cp(dashboardsDir, folder, { recursive: true });
  const security = JSON.parse(await readFile(path.join(folder, 'security.json'), 'utf8')) as Dashboard;
  const [first] = security.panels.filter((panel): panel is Exclude<PlacedPanel, { type: 'row' }> => panel.type === 'stat');
  if (!first) throw new Error('The dashboard has no panel to go by.');
  const asking = (title: string, expr: string) => ({ ...first, title, targets: first.targets.map((target) => ({ ...target, expr })) });
  const panels = [asking('Made up', 'rate(auspex_made_up_total[$__rate_interval])'), asking('Never', 'auspex_streams_open{transport="pigeon"}'), asking('Nought', 'auspex_ready * 0 / 0')];
  await writeFile(path.join(folder, 'wrong.json'), JSON.stringify({ ...security, title: 'Wrong', panels }));
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const skipped = reasonToSkipPrometheus();
(skipped === null ? describe : describe.skip)(`a gateway under load, as Prometheus sees it${skipped === null ? '' : ` (skipped: ${skipped})`}`, () => {
  it('fills every panel of every dashboard; a panel that is made up, or has no number, is found out', async () => {
    const { code, ok, without, said } = await check('--dashboards', folder);
    expect({ without, said: without.length === 3 ? '' : said }).toEqual({
      without: ['Wrong | Made up | A | there is no auspex_made_up_total', 'Wrong | Never | A | no data', 'Wrong | Nought | A | no data'],
      said: '',
    });
    expect(code).toBe(1);
    expect(ok).toBeGreaterThan(80);
  }, 150_000);
});

describe('the check of a Prometheus that is at work', () => {
  let prometheus: Server;
  /** The series' name of which it has no data. */
  let lost = '';
  beforeAll(async () => {
    const names = (await Promise.all(['overview', 'models', 'database-and-cache', 'security'].map((name) => readFile(path.join(dashboardsDir, `${name}.json`), 'utf8')))).flatMap(
      (text) => text.match(/\b(?:auspex|process|nodejs)[_:][a-z0-9_:]+/g) ?? [],
    );
    prometheus = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://prometheus');
      const isLost = lost !== '' && (searchParams.get('query') ?? '').includes(lost);
      const data = pathname.endsWith('/values') ? [...new Set(names)] : { result: isLost ? [] : [{ values: [[1, '0']] }] };
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ status: 'success', data }));
    });
    prometheus.listen(0, '127.0.0.1');
    await once(prometheus, 'listening');
  });
  afterAll(() => void prometheus.close());
  const url = (): string => `http://127.0.0.1:${(prometheus.address() as AddressInfo).port}`;

  it('passes where each query has data, and starts nothing of its own', async () => {
    lost = '';
    const { code, without, said } = await check('--prometheus', url());
    expect({ code, without }).toEqual({ code: 0, without: [] });
    expect(said).toMatch(/(\d+) of \1 queries have data\.\n$/);
  });

  it('fails, and names the panels, where one has none', async () => {
    lost = 'auspex_logins_total';
    const { code, without } = await check('--prometheus', url());
    expect(code).toBe(1);
    expect(without).toEqual(['Sign-ins that failed', 'Sign-ins by outcome', 'Share that fails'].map((panel) => `Auspex / Security | ${panel} | A | no data`));
  });
});
