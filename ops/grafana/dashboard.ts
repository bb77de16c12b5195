import { readsFrom, type Dashboard, type Panel, type PlacedPanel, type RowHeading, type Variable } from './json.ts';

/** Panels that lie side by side under a heading; those that do not fit go on below. */
export interface Row {
  title: string;
  /** In lines of the grid, of 30 pixels each. */
  height?: number;
  panels: readonly Panel[];
}

export interface DashboardParts {
  uid: string;
  title: string;
  description: string;
  variables: readonly Variable[];
  rows: readonly Row[];
}

const columns = 24;
const defaultHeight = 8;
const headingHeight = 1;

/** Puts panels in their places and gives each its number. */
export function dashboard({ uid, title, description, variables, rows }: DashboardParts): Dashboard {
  return {
    id: null,
    uid,
    title,
    description,
    tags: ['auspex'],
    // Grafana 11.0; later ones read it and carry it on.
    schemaVersion: 39,
    version: 1,
    editable: false,
    graphTooltip: 1,
    timezone: 'browser',
    refresh: '10s',
    time: { from: 'now-30m', to: 'now' },
    timepicker: { refresh_intervals: ['5s', '10s', '30s', '1m', '5m'] },
    annotations: { list: [] },
    links: [linkToOthers],
    templating: { list: [...variables] },
    panels: placed(rows),
  };
}

/** A choice among the values of a label; all of them unless somebody chooses. */
export const choice = (name: string, label: string, metric: string): Variable => ({
  name,
  label,
  type: 'query',
  datasource: readsFrom,
  query: { qryType: 1, query: `label_values(${metric}, ${name})`, refId: 'PrometheusVariableQueryEditor-VariableQuery' },
  definition: `label_values(${metric}, ${name})`,
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: '.*',
  current: { selected: true, text: ['All'], value: ['$__all'] },
  hide: 0,
  options: [],
  regex: '',
  skipUrlSync: false,
});

/** What is chosen goes along. */
const linkToOthers = {
  type: 'dashboards',
  title: 'Auspex',
  tags: ['auspex'],
  asDropdown: false,
  includeVars: true,
  keepTime: true,
  targetBlank: false,
  icon: 'external link',
  tooltip: '',
  url: '',
};

function placed(rows: readonly Row[]): PlacedPanel[] {
  const panels: PlacedPanel[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({ id: panels.length + 1, ...heading(row.title), gridPos: { x: 0, y, w: columns, h: headingHeight } });
    y += headingHeight;
    const height = row.height ?? defaultHeight;
    let x = 0;
    for (const { width = Math.floor(columns / row.panels.length), ...panel } of row.panels) {
      if (x + width > columns) {
        x = 0;
        y += height;
      }
      panels.push({ id: panels.length + 1, ...panel, gridPos: { x, y, w: width, h: height } });
      x += width;
    }
    y += height;
  }
  return panels;
}

const heading = (title: string): RowHeading => ({ type: 'row', title, collapsed: false, panels: [] });
