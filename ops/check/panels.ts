import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** The parts of Grafana's dashboard JSON (classic model, schemaVersion 39) that the checks read. */
export interface Dashboard {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: Variable[] };
}

export interface Variable {
  name: string;
  type: 'query' | 'datasource';
  /** The value of "All", which is the initial selection. */
  allValue?: string;
}

export interface GridPos {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Target {
  refId: string;
  expr: string;
}

/** A panel, or the heading of a row of panels, which has no targets. */
export interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: GridPos;
  description?: string;
  targets?: Target[];
  fieldConfig?: { defaults: Record<string, unknown> };
}

/** A query of a panel with its variables replaced. */
export interface PanelQuery {
  dashboard: string;
  panel: string;
  refId: string;
  expr: string;
  /** Metrics that the query names. */
  metrics: readonly string[];
}

/**
 * Reads every query of every dashboard in a folder. Variables are replaced by the value of "All".
 * @param builtIn values of Grafana's built-in variables
 * @throws Error if a query uses an unknown variable, or if the folder has no query
 */
export async function readPanels(dir: string, builtIn: Readonly<Record<string, string>>): Promise<PanelQuery[]> {
  const files = (await readdir(dir)).filter((name) => name.endsWith('.json')).sort();
  const dashboards = await Promise.all(
    files.map(async (name) => JSON.parse(await readFile(path.join(dir, name), 'utf8')) as Dashboard),
  );
  const queries = dashboards.flatMap((dashboard) => queriesOf(dashboard, builtIn));
  if (queries.length === 0) throw new Error(`No dashboard in ${dir} has a query.`);
  return queries;
}

function queriesOf({ title, panels, templating }: Dashboard, builtIn: Readonly<Record<string, string>>): PanelQuery[] {
  const values = { ...builtIn, ...Object.fromEntries(templating.list.map(({ name, allValue }) => [name, allValue])) };
  return panels.flatMap((panel) =>
    (panel.targets ?? []).map(({ refId, expr }) => ({
      dashboard: title,
      panel: panel.title,
      refId,
      expr: interpolate(expr, values, `${title} / ${panel.title}`),
      metrics: metricsIn(expr),
    })),
  );
}

function interpolate(expr: string, values: Readonly<Record<string, string | undefined>>, panel: string): string {
  return expr.replace(/\$\{?(\w+)\}?/g, (_match, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${panel} uses $${name}, which is not a variable of the dashboard.`);
    return value;
  });
}

/** The metrics that an expression names: the gateway's, the process's and those of recording rules. */
export const metricsIn = (expr: string): string[] => [
  ...new Set(expr.match(/\b(?:auspex|process|nodejs)[_:][a-z0-9_:]+/g) ?? []),
];
