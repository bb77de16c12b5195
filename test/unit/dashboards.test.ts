import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { metricsIn, type Dashboard, type GridPos } from '../../ops/check/panels.ts';
import { projectDir } from '../support/process.js';

interface FullDashboard extends Dashboard {
  tags: string[];
  links: object[];
}

const readProjectFile = (...names: string[]): string => readFileSync(path.join(projectDir, ...names), 'utf8');
const files = readdirSync(path.join(projectDir, 'ops', 'grafana', 'dashboards')).sort();
const dashboards = files.map(
  (file) => [file, JSON.parse(readProjectFile('ops', 'grafana', 'dashboards', file)) as FullDashboard] as const,
);
const overlaps = (one: GridPos, other: GridPos): boolean =>
  one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h;

/** Data source of panels and variables: the one selected in the dashboard. */
const dataSource = { type: 'prometheus', uid: '${datasource}' };
const grafanaVariables = ['__rate_interval'];
const units = ['bytes', 'eps', 'none', 'ops', 'percentunit', 'reqps', 's', 'short'];

/** Metrics of docs/metrics.md, which a test compares with a scrape, and those of recording rules. */
const knownMetrics = new Set([
  ...[...readProjectFile('docs', 'metrics.md').matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].flatMap(
    ([, name = '', type = '']) => (type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]),
  ),
  ...[...readProjectFile('ops', 'prometheus', 'rules', 'auspex.yml').matchAll(/- record: (\S+)/g)].map(
    ([, name = '']) => name,
  ),
]);

describe('the dashboards', () => {
  it('have unique uids and titles and link to each other', () => {
    const all = dashboards.map(([, dashboard]) => dashboard);
    expect(all.length).toBe(4);
    expect(new Set(all.map(({ uid }) => uid)).size).toBe(all.length);
    expect(new Set(all.map(({ title }) => title)).size).toBe(all.length);
    for (const dashboard of all) {
      // A numeric id belongs to one Grafana database and breaks provisioning elsewhere.
      expect(dashboard).not.toHaveProperty('id');
      expect(dashboard.uid).toMatch(/^[a-z-]{1,40}$/);
      expect(dashboard.links).toMatchObject([
        { type: 'dashboards', tags: dashboard.tags, includeVars: true, keepTime: true },
      ]);
    }
  });
});

describe.each(dashboards)('%s', (_file, dashboard) => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');

  it('uses the schema of Grafana 11 and refreshes every ten seconds', () => {
    expect(dashboard).toMatchObject({ schemaVersion: 39, refresh: '10s' });
  });

  it('has panels with unique ids that fit the grid and do not overlap', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const [index, { gridPos }] of dashboard.panels.entries()) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      expect(dashboard.panels.slice(index + 1).filter((other) => overlaps(gridPos, other.gridPos))).toEqual([]);
    }
  });

  it('has unique panel titles, which the runbook refers to', () => {
    const titles = panels.map(({ title }) => title);
    expect(titles).toEqual([...new Set(titles)]);
  });

  it('describes each panel and sets its unit, data source and queries', () => {
    for (const panel of panels) {
      const { title, targets = [] } = panel;
      expect(panel).toMatchObject({
        title,
        description: expect.stringMatching(/^[A-Za-z0-9].{15,}[.]$/),
        datasource: dataSource,
      });
      expect({ title, unit: panel.fieldConfig?.defaults.unit }).toEqual({
        title,
        unit: expect.stringMatching(new RegExp(`^(${units.join('|')})$`)),
      });
      expect({ title, queries: targets.length }).not.toEqual({ title, queries: 0 });
      expect({ title, queries: targets.length }).toEqual({
        title,
        queries: new Set(targets.map(({ refId }) => refId)).size,
      });
      expect({ title, empty: targets.filter(({ expr }) => expr.trim() === '') }).toEqual({ title, empty: [] });
      // A query with its own data source ignores the selected one.
      for (const target of targets) expect(target).not.toHaveProperty('datasource');
      // Without thresholds Grafana colors every number above 80 red.
      if (panel.type === 'stat')
        expect({ title, ...panel.fieldConfig?.defaults }).toHaveProperty('thresholds.steps.0.value', null);
    }
  });

  it('queries only documented metrics and recording rules', () => {
    const unknown = panels.flatMap(({ title, targets = [] }) =>
      targets
        .flatMap(({ expr }) => metricsIn(expr))
        .filter((name) => !knownMetrics.has(name))
        .map((name) => `${title}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it('declares exactly the variables it uses', () => {
    const used = panels
      .flatMap(({ targets = [] }) => targets)
      .flatMap(({ expr }) => [...expr.matchAll(/\$\{?(\w+)/g)].map(([, name = '']) => name))
      .filter((name) => !grafanaVariables.includes(name));
    const [first, ...others] = dashboard.templating.list;
    expect(first).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    expect(others.map(({ name }) => name).sort()).toEqual([...new Set(used)].sort());
    for (const variable of others)
      expect(variable).toMatchObject({ type: 'query', datasource: dataSource, includeAll: true, allValue: '.*' });
  });
});

describe('Grafana provisioning', () => {
  const provisioning = (file: string): unknown => parse(readProjectFile('ops', 'grafana', 'provisioning', file));

  it('adds Prometheus as the default data source and the folder of the dashboards', () => {
    expect(provisioning('datasources/prometheus.yml')).toMatchObject({
      apiVersion: 1,
      datasources: [{ type: 'prometheus', uid: 'prometheus', url: 'http://prometheus:9090', isDefault: true }],
    });
    expect(provisioning('dashboards/auspex.yml')).toMatchObject({
      apiVersion: 1,
      providers: [{ type: 'file', allowUiUpdates: false, options: { path: '/etc/grafana/dashboards' } }],
    });
  });

  it('uses the scrape interval of Prometheus', () => {
    const { global } = parse(readProjectFile('ops', 'prometheus', 'prometheus.yml')) as {
      global: { scrape_interval: string };
    };
    expect(provisioning('datasources/prometheus.yml')).toMatchObject({
      datasources: [{ jsonData: { timeInterval: global.scrape_interval } }],
    });
  });
});

describe('the runbook', () => {
  it('refers to existing panels and rows', () => {
    const runbook =
      readProjectFile('docs', 'operations.md')
        .split('\n## Runbook\n')[1]
        ?.replaceAll(/`[^`]*`/g, '')
        .replaceAll(/\s+/g, ' ') ?? '';
    const titles = dashboards.flatMap(([, dashboard]) => dashboard.panels.map(({ title }) => title));
    const references = [...runbook.matchAll(/(?<!\*)\*([^*]+)\*(?!\*)/g)]
      .map(([, name = '']) => name)
      .filter((name) => !/^(critical|warning|info)\.$/.test(name));
    expect(references.length).toBeGreaterThan(20);
    expect(references.filter((name) => !titles.includes(name))).toEqual([]);
  });
});
