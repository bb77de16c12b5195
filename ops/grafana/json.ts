/** The one source of data; its uid is that of provisioning/datasources/prometheus.yml. */
export const readsFrom = { type: 'prometheus', uid: 'prometheus' } as const;

/** A dashboard as Grafana's loader takes it: the classic model, which Grafana 11 and later read. */
export interface Dashboard {
  id: null;
  uid: string;
  title: string;
  description: string;
  tags: string[];
  schemaVersion: number;
  version: number;
  editable: boolean;
  graphTooltip: number;
  timezone: string;
  refresh: string;
  time: { from: string; to: string };
  timepicker: { refresh_intervals: string[] };
  annotations: { list: [] };
  links: object[];
  templating: { list: Variable[] };
  panels: PlacedPanel[];
}

/** Something that whoever looks may choose. */
export interface Variable {
  name: string;
  label: string;
  type: 'query';
  datasource: typeof readsFrom;
  /** 1 is Prometheus' way of saying that the values of a label are asked for. */
  query: { qryType: 1; query: string; refId: string };
  definition: string;
  refresh: number;
  sort: number;
  multi: boolean;
  includeAll: boolean;
  allValue: string;
  current: { selected: boolean; text: string[]; value: string[] };
  hide: number;
  options: [];
  regex: string;
  skipUrlSync: boolean;
}

export interface Target {
  refId: string;
  datasource: typeof readsFrom;
  editorMode: 'code';
  expr: string;
  legendFormat: string;
  format: 'time_series' | 'heatmap' | 'table';
  instant: boolean;
  range: boolean;
}

/** A panel that has no place yet; `width` is the one that it asks for. */
export interface Panel {
  type: 'stat' | 'timeseries' | 'heatmap' | 'table';
  title: string;
  description: string;
  datasource: typeof readsFrom;
  width?: number;
  fieldConfig: { defaults: object; overrides: [] };
  options?: object;
  transformations?: object[];
  targets: Target[];
}

export interface GridPos {
  x: number;
  y: number;
  w: number;
  h: number;
}

export type PlacedPanel = { id: number; gridPos: GridPos } & (Omit<Panel, 'width'> | RowHeading);

/** The line above a row of panels. */
export interface RowHeading {
  type: 'row';
  title: string;
  collapsed: boolean;
  panels: [];
}
