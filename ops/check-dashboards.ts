/*
 * Checks that every query of every dashboard returns data.
 *
 *   node ops/check-dashboards.ts                                     starts a gateway, Prometheus and load
 *   node ops/check-dashboards.ts --prometheus http://localhost:9090  queries a running Prometheus
 *
 * Prints one line per query and the failed queries in full. Exit code 1 if a query has no data.
 */
import path from 'node:path';
import { parseInteger, parseOptions, parseUrl, runCommand } from '../bench/load/options.ts';
import { generateLoad } from './check/load.ts';
import { readPanels, type PanelQuery } from './check/panels.ts';
import { Prometheus, startPrometheus, type Period } from './check/prometheus.ts';
import { startEnvironment } from './check/environment.ts';

const usage = `Usage: npm run dashboards:check -- [options]

Checks that every query of every dashboard returns data. Without --prometheus it starts a gateway,
a Prometheus and load.

  --prometheus <url>   query a running Prometheus over its last ten minutes; starts nothing
  --dashboards <dir>   folder of the dashboards (default: ops/grafana/dashboards)
  --seconds <n>        duration of the load (default: 20)
  --help               print this text
`;

const sent = parseOptions(
  { dashboards: path.join(import.meta.dirname, 'grafana', 'dashboards'), prometheus: '', seconds: '20' },
  usage,
);
const seconds = parseInteger(usage, { name: 'seconds', text: sent.seconds, minimum: 1, maximum: 3600 });
const prometheusUrl = sent.prometheus === '' ? null : parseUrl(usage, 'prometheus', sent.prometheus);

interface QueryResult extends PanelQuery {
  series: number;
  /** Why the panel is empty; null if it has data. */
  problem: string | null;
}

await runCommand(async () => {
  const results = prometheusUrl === null ? await checkWithLoad() : await checkRunning(prometheusUrl);
  report(results);
  process.exitCode = results.some(({ problem }) => problem !== null) ? 1 : 0;
});

async function checkWithLoad(): Promise<QueryResult[]> {
  await using resources = new AsyncDisposableStack();
  const environment = await startEnvironment(resources);
  const prometheus = await startPrometheus(new URL(environment.metricsUrl).host, resources);
  const startedAt = Date.now();
  await generateLoad(environment, seconds);
  const failedRules = await prometheus.failedRules();
  if (failedRules.length > 0) throw new Error(`Rules that Prometheus cannot evaluate:\n${failedRules.join('\n')}`);
  return await check(prometheus, { from: startedAt, to: Date.now(), stepSeconds: 1 }, '5s');
}

async function checkRunning(url: string): Promise<QueryResult[]> {
  const now = Date.now();
  return check(new Prometheus(url), { from: now - 600_000, to: now, stepSeconds: 15 }, '1m');
}

async function check(prometheus: Prometheus, period: Period, rateInterval: string): Promise<QueryResult[]> {
  const queries = await readPanels(sent.dashboards, { __rate_interval: rateInterval });
  const known = await prometheus.metricNames();
  return Promise.all(
    queries.map(async (query): Promise<QueryResult> => {
      const unknown = query.metrics.filter((metric) => !known.has(metric));
      if (unknown.length > 0) return { ...query, series: 0, problem: `unknown metric: ${unknown.join(', ')}` };
      const series = await prometheus.seriesWithData(query.expr, period);
      return { ...query, series, problem: series > 0 ? null : 'no data' };
    }),
  );
}

function report(results: readonly QueryResult[]): void {
  const width = (column: 'dashboard' | 'panel'): number => Math.max(...results.map((result) => result[column].length));
  const [dashboardWidth, panelWidth] = [width('dashboard'), width('panel')];
  for (const { dashboard, panel, refId, series, problem } of results) {
    const outcome = problem ?? `${series} series`;
    process.stdout.write(
      `${problem === null ? 'ok  ' : 'FAIL'} ${dashboard.padEnd(dashboardWidth)}  ${panel.padEnd(panelWidth)}  ${refId}  ${outcome}\n`,
    );
  }
  const failed = results.filter(({ problem }) => problem !== null);
  process.stdout.write(`\n${results.length - failed.length} of ${results.length} queries have data.\n`);
  for (const { dashboard, panel, refId, problem, expr } of failed)
    process.stdout.write(`\n${dashboard} / ${panel}, ${refId}: ${problem ?? ''}\n  ${expr}\n`);
}
