/*
 * Whether each panel of each dashboard has something to show.
 *
 *   node ops/check-dashboards.ts                                    starts a gateway, a Prometheus and a load of its own
 *   node ops/check-dashboards.ts --prometheus http://localhost:9090 asks one that watches a gateway at work
 *
 * `--dashboards <folder>` takes the dashboards from elsewhere, `--seconds <n>` changes how long the load goes on. Prints a table, and
 * what has no data; exits 1 where there is anything.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { driveLoad } from './check/load.ts';
import { readPanels, type PanelQuery } from './check/panels.ts';
import { Prometheus, startPrometheus, type Period } from './check/prometheus.ts';
import { openSetting } from './check/setting.ts';

const { values: options } = parseArgs({
  options: {
    dashboards: { type: 'string', default: path.join(import.meta.dirname, 'grafana', 'dashboards') },
    prometheus: { type: 'string' },
    seconds: { type: 'string', default: '20' },
  },
});

/** What came of a panel's query. */
interface Finding extends PanelQuery {
  series: number;
  /** Why there is nothing to see; null where there is something. */
  problem: string | null;
}

const findings = options.prometheus === undefined ? await checkAtHome(Number(options.seconds)) : await checkAt(options.prometheus);
const problems = findings.filter(({ problem }) => problem !== null);
print(findings);
process.exitCode = problems.length > 0 ? 1 : 0;

/** With everything started here, and ended again. */
async function checkAtHome(seconds: number): Promise<Finding[]> {
  await using opened = new AsyncDisposableStack();
  const setting = await openSetting(opened);
  const prometheus = await startPrometheus(new URL(setting.metricsUrl).host, opened);
  const startedAt = Date.now();
  await driveLoad(setting, seconds);
  const faultyRules = await prometheus.faultyRules();
  if (faultyRules.length > 0) throw new Error(`Rules that Prometheus cannot follow:\n${faultyRules.join('\n')}`);
  return await check(prometheus, { from: startedAt, to: Date.now(), stepSeconds: 1 }, '5s');
}

/** By what a Prometheus has seen in the last ten minutes. */
async function checkAt(url: string): Promise<Finding[]> {
  const now = Date.now();
  return check(new Prometheus(url), { from: now - 600_000, to: now, stepSeconds: 15 }, '1m');
}

async function check(prometheus: Prometheus, period: Period, rateInterval: string): Promise<Finding[]> {
  const queries = await readPanels(options.dashboards, { __rate_interval: rateInterval });
  const known = await prometheus.metricNames();
  return Promise.all(
    queries.map(async (query): Promise<Finding> => {
      const unknown = query.metrics.filter((metric) => !known.has(metric));
      if (unknown.length > 0) return { ...query, series: 0, problem: `there is no ${unknown.join(', ')}` };
      const series = await prometheus.seriesWithData(query.expr, period);
      return { ...query, series, problem: series > 0 ? null : 'no data' };
    }),
  );
}

function print(all: readonly Finding[]): void {
  const width = (of: (finding: Finding) => string): number => Math.max(...all.map((finding) => of(finding).length));
  const columns = [width(({ dashboard }) => dashboard), width(({ panel }) => panel)];
  for (const { dashboard, panel, refId, series, problem } of all) {
    const outcome = problem ?? `${series} series`;
    process.stdout.write(`${problem === null ? 'ok ' : 'NO '} ${dashboard.padEnd(columns[0] ?? 0)}  ${panel.padEnd(columns[1] ?? 0)}  ${refId}  ${outcome}\n`);
  }
  process.stdout.write(`\n${all.length - problems.length} of ${all.length} queries have data.\n`);
  for (const { dashboard, panel, refId, problem, expr } of problems) process.stdout.write(`\n${dashboard} / ${panel}, ${refId}: ${problem ?? ''}\n  ${expr}\n`);
}
