import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Dashboard } from '../grafana/json.ts';

/** What a panel asks Prometheus, its variables filled in. */
export interface PanelQuery {
  dashboard: string;
  panel: string;
  refId: string;
  expr: string;
  /** Those that the query names. */
  metrics: readonly string[];
}

/**
 * Every query of every dashboard in a folder. A variable stands for all of its values, as Grafana has it before anybody chooses.
 * @param builtIn values of the variables that Grafana itself brings
 * @throws Error where a query uses a variable that there is not, or where there is no query at all
 */
export async function readPanels(dir: string, builtIn: Readonly<Record<string, string>>): Promise<PanelQuery[]> {
  const files = (await readdir(dir)).filter((name) => name.endsWith('.json')).sort();
  const dashboards = await Promise.all(files.map(async (name) => JSON.parse(await readFile(path.join(dir, name), 'utf8')) as Dashboard));
  const queries = dashboards.flatMap((dashboard) => queriesOf(dashboard, builtIn));
  if (queries.length === 0) throw new Error(`There is no dashboard with a query in ${dir}.`);
  return queries;
}

function queriesOf({ title, panels, templating }: Dashboard, builtIn: Readonly<Record<string, string>>): PanelQuery[] {
  const values = { ...builtIn, ...Object.fromEntries(templating.list.map(({ name, allValue }) => [name, allValue])) };
  return panels.flatMap((panel) =>
    panel.type === 'row'
      ? []
      : panel.targets.map(({ refId, expr }) => ({
          dashboard: title,
          panel: panel.title,
          refId,
          expr: filled(expr, values, `${title} / ${panel.title}`),
          metrics: metricsIn(expr),
        })),
  );
}

function filled(expr: string, values: Readonly<Record<string, string>>, where: string): string {
  return expr.replace(/\$\{?(\w+)\}?/g, (_all, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${where} uses $${name}, which the dashboard does not have.`);
    return value;
  });
}

/** The metrics that an expression names: the gateway's, its process's, and those that rules record. Prometheus' own are always there. */
export const metricsIn = (expr: string): string[] => [...new Set(expr.match(/\b(?:auspex|process|nodejs)[_:][a-z0-9_:]+/g) ?? [])];
