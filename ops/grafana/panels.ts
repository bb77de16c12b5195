import { readsFrom, type Panel, type Target } from './json.ts';

/** What a panel asks Prometheus, and the name of the curves that come of it; `{{label}}` stands for a label's value. */
export interface Query {
  expr: string;
  legend: string;
}

/** From this value on the number has this colour; a graph has a line there. */
export interface Limit {
  at: number;
  color: 'orange' | 'red' | 'green';
}

interface Shown {
  title: string;
  /** What it means, and what is to be done about it. */
  description: string;
  unit: Unit;
  /** Of 24 columns; absent: an equal share of the row. */
  width?: number;
  limits?: readonly Limit[];
  /** The colour below the first limit. */
  base?: 'green' | 'red';
  /** What stands there where Prometheus has nothing. */
  nothing?: string;
  max?: number;
}

/** Units by Grafana's names. */
export type Unit = 'short' | 'reqps' | 'ops' | 'percentunit' | 's' | 'bytes' | 'none' | 'eps';

/** One number, as it is now. */
export function stat({ expr, legend = '', showsName = false, ...shown }: Shown & { expr: string; legend?: string; showsName?: boolean }): Panel {
  return {
    ...framed('stat', shown, [{ expr, legend }]),
    options: {
      colorMode: 'value',
      graphMode: showsName ? 'none' : 'area',
      justifyMode: 'auto',
      orientation: 'auto',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      textMode: showsName ? 'name' : 'value',
    },
  };
}

/** Curves over time. */
export function graph({ queries, isStacked = false, ...shown }: Shown & { queries: readonly Query[]; isStacked?: boolean }): Panel {
  const panel = framed('timeseries', shown, queries);
  return {
    ...panel,
    fieldConfig: {
      defaults: {
        ...panel.fieldConfig.defaults,
        min: 0,
        custom: {
          drawStyle: 'line',
          lineWidth: 1,
          fillOpacity: isStacked ? 30 : 10,
          showPoints: 'never',
          spanNulls: false,
          stacking: { mode: isStacked ? 'normal' : 'none', group: 'A' },
          thresholdsStyle: { mode: shown.limits ? 'dashed' : 'off' },
        },
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'table', placement: 'bottom', calcs: ['mean', 'max', 'lastNotNull'], showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
}

/** Buckets of a histogram over time; `expr` gives them by `le`. */
export function heatmap({ expr, ...shown }: Shown & { expr: string }): Panel {
  return {
    ...framed('heatmap', shown, [{ expr, legend: '{{le}}', format: 'heatmap' }]),
    options: {
      calculate: false,
      cellGap: 1,
      color: { mode: 'scheme', scheme: 'Oranges', steps: 64, exponent: 0.5, reverse: false },
      filterValues: { le: 1e-9 },
      legend: { show: true },
      rowsFrame: { layout: 'auto' },
      tooltip: { mode: 'single', yHistogram: false, showColorScale: false },
      yAxis: { axisPlacement: 'left', unit: shown.unit, reverse: false },
    },
  };
}

/** Labels of what is there now, a row each; `columns` names the labels, in order. */
export function table({ expr, columns, ...shown }: Shown & { expr: string; columns: readonly string[] }): Panel {
  return {
    ...framed('table', shown, [{ expr, legend: '', format: 'table', isNow: true }]),
    options: { cellHeight: 'sm', showHeader: true, footer: { show: false, reducer: ['sum'], fields: '' } },
    transformations: [{ id: 'organize', options: { excludeByName: { Time: true, Value: true }, indexByName: Object.fromEntries(columns.map((column, at) => [column, at])) } }],
  };
}

/** What every kind of panel has. Where it lies, and its number, is seen to by the dashboard. */
function framed(type: Panel['type'], shown: Shown, queries: readonly (Query & Pick<Asked, 'format' | 'isNow'>)[]): Panel {
  const { title, description, unit, width, limits = [], base = 'green', nothing, max } = shown;
  return {
    type,
    title,
    description,
    datasource: readsFrom,
    ...(width === undefined ? {} : { width }),
    fieldConfig: {
      defaults: {
        unit,
        ...(max === undefined ? {} : { max }),
        ...(nothing === undefined ? {} : { noValue: nothing }),
        color: { mode: type === 'stat' ? 'thresholds' : 'palette-classic' },
        thresholds: { mode: 'absolute', steps: [{ color: base, value: null }, ...limits.map(({ at, color }) => ({ color, value: at }))] },
      },
      overrides: [],
    },
    targets: queries.map((query, at) => targetOf(query, String.fromCharCode(65 + at))),
  };
}

interface Asked extends Query {
  format?: Target['format'];
  /** Asked once, for this moment, and not over the whole time that is shown. */
  isNow?: boolean;
}

const targetOf = ({ expr, legend, format = 'time_series', isNow = false }: Asked, refId: string): Target => ({
  refId,
  datasource: readsFrom,
  editorMode: 'code',
  expr,
  legendFormat: legend,
  format,
  instant: isNow,
  range: !isNow,
});
