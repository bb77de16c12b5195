import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { Dashboard, GridPos, PlacedPanel } from '../../ops/grafana/json.ts';
import { projectDir } from '../kit/process.js';

type Shown = Exclude<PlacedPanel, { type: 'row' }>;

const dir = path.join(projectDir, 'ops', 'grafana');
const files = readdirSync(path.join(dir, 'dashboards')).sort();
const read = (file: string): Dashboard => JSON.parse(readFileSync(path.join(dir, 'dashboards', file), 'utf8')) as Dashboard;
const dashboards = files.map((file) => [file, read(file)] as const);
const shownOn = ({ panels }: Dashboard): Shown[] => panels.filter((panel): panel is Shown => panel.type !== 'row');
const overlap = (one: GridPos, other: GridPos): boolean => one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h;

/** What Grafana itself brings. */
const builtIn = ['__rate_interval'];

describe('the dashboards', () => {
  it('are these four, and no file is left over', () => {
    expect(files).toEqual(['database-and-cache.json', 'models.json', 'overview.json', 'security.json']);
  });

  it('are as ops/grafana writes them', () => {
    const { status, stderr } = spawnSync(process.execPath, [path.join(dir, 'build.ts'), '--check'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('have an address and a title of their own, and are found by each other', () => {
    const all = dashboards.map(([, dashboard]) => dashboard);
    expect(new Set(all.map(({ uid }) => uid)).size).toBe(all.length);
    expect(new Set(all.map(({ title }) => title)).size).toBe(all.length);
    for (const { uid, tags, links, id } of all) {
      expect(uid).toMatch(/^[a-z-]{1,40}$/);
      expect(id).toBeNull();
      expect(links).toMatchObject([{ type: 'dashboards', tags, includeVars: true, keepTime: true }]);
    }
  });
});

describe.each(dashboards)('%s', (_file, dashboard) => {
  const panels = shownOn(dashboard);

  it('is read by Grafana 11 and later, and looks every ten seconds', () => {
    expect(dashboard).toMatchObject({ schemaVersion: 39, refresh: '10s', editable: false });
  });

  it('has panels that lie beside and below each other, each with a number of its own', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const [at, { gridPos }] of dashboard.panels.entries()) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      expect(dashboard.panels.slice(at + 1).filter((other) => overlap(gridPos, other.gridPos))).toEqual([]);
    }
  });

  it('calls each panel by a name of its own, which the runbook can refer to', () => {
    const titles = panels.map(({ title }) => title);
    expect(titles).toEqual([...new Set(titles)]);
  });

  it('says of each panel what it means, in what unit, and asks the source that is set up', () => {
    for (const { title, description, datasource, fieldConfig, targets } of panels) {
      expect({ title, description }).toEqual({ title, description: expect.stringMatching(/^[A-Za-z0-9].{15,}[.]$/) });
      expect({ title, ...fieldConfig.defaults }).toMatchObject({ title, unit: expect.any(String), thresholds: { mode: 'absolute', steps: expect.arrayContaining([{ color: expect.any(String), value: null }]) } });
      expect({ title, asked: new Set(targets.map(({ refId }) => refId)).size }).toEqual({ title, asked: Math.max(1, targets.length) });
      for (const source of [datasource, ...targets.map((target) => target.datasource)]) expect({ title, source }).toEqual({ title, source: dataSource() });
      for (const { expr } of targets) expect({ title, expr }).toEqual({ title, expr: expect.stringMatching(/\S/) });
    }
  });

  it('uses the variables that it has, and has no other', () => {
    const used = new Set(panels.flatMap(({ targets }) => targets).flatMap(({ expr }) => [...expr.matchAll(/\$\{?(\w+)/g)].map(([, name]) => name)));
    const own = dashboard.templating.list.map(({ name }) => name);
    expect([...used].filter((name) => name !== undefined && !builtIn.includes(name)).sort()).toEqual([...own].sort());
    for (const variable of dashboard.templating.list) expect(variable).toMatchObject({ datasource: dataSource(), includeAll: true, allValue: '.*' });
  });
});

describe('what Grafana is provisioned with', () => {
  it('is the source of data that the panels ask, and the folder in which the dashboards lie', () => {
    expect(provisioned('datasources/prometheus.yml')).toMatchObject({ apiVersion: 1, datasources: [{ type: 'prometheus', uid: 'prometheus', url: 'http://prometheus:9090', isDefault: true }] });
    expect(provisioned('dashboards/auspex.yml')).toMatchObject({ apiVersion: 1, providers: [{ type: 'file', allowUiUpdates: false, options: { path: '/etc/grafana/dashboards' } }] });
  });

  it('looks as often as Prometheus does', () => {
    const { global } = parse(readFileSync(path.join(projectDir, 'ops', 'prometheus', 'prometheus.yml'), 'utf8')) as { global: { scrape_interval: string } };
    expect(provisioned('datasources/prometheus.yml')).toMatchObject({ datasources: [{ jsonData: { timeInterval: global.scrape_interval } }] });
  });
});

function provisioned(file: string): unknown {
  return parse(readFileSync(path.join(dir, 'provisioning', file), 'utf8'));
}

function dataSource(): object {
  const { datasources } = provisioned('datasources/prometheus.yml') as { datasources: { type: string; uid: string }[] };
  const [{ type, uid } = { type: '', uid: '' }] = datasources;
  return { type, uid };
}

describe('the runbook', () => {
  it('refers to panels that there are', () => {
    const runbook = readFileSync(path.join(projectDir, 'docs', 'operations.md'), 'utf8').split('\n## Runbook\n')[1]?.replaceAll(/`[^`]*`/g, '').replaceAll(/\s+/g, ' ') ?? '';
    const titles = dashboards.flatMap(([, dashboard]) => dashboard.panels.map(({ title }) => title));
    const named = [...runbook.matchAll(/(?<!\*)\*([^*]+)\*(?!\*)/g)].flatMap(([, name = '']) => (/^(critical|warning|info)\.$/.test(name) ? [] : [name]));
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !titles.includes(name))).toEqual([]);
  });
});
