import { choice, dashboard } from './dashboard.ts';
import { graph, heatmap, stat, table } from './panels.ts';

const these = 'instance=~"$instance", model=~"$model"';
const rate = (metric: string): string => `rate(${metric}{${these}}[$__rate_interval])`;
const perVersion = (metric: string): string => `sum by (model, version) (${rate(metric)})`;

/** The versions' counters by what the version is: current, canary. */
const byRole = (metric: string): string =>
  `sum by (model, role) (${rate(metric)} * on (instance, model, version) group_left (role) auspex_model_version_role{${these}, role=~"current|canary"})`;

const calls = `(sum(${rate('auspex_inference_request_success_total')}) + sum(${rate('auspex_inference_request_failure_total')}))`;
const callsPerVersion = `(${perVersion('auspex_inference_request_success_total')} + ${perVersion('auspex_inference_request_failure_total')})`;
const callsByRole = `(${byRole('auspex_inference_request_success_total')} + ${byRole('auspex_inference_request_failure_total')})`;
const hitRatio = (sum: string): string =>
  `${sum} (${rate('auspex_inference_cache_hits_total')}) / (${sum} (${rate('auspex_inference_cache_hits_total')}) + ${sum} (${rate('auspex_inference_cache_misses_total')}))`;

/** How the models do, and whether a new version is as good as the one that answers. */
export const models = dashboard({
  uid: 'auspex-models',
  title: 'Auspex / Models',
  description: 'What models are asked, how long it takes, what the cache spares them, and how canary and shadow compare with the current version.',
  variables: [choice('instance', 'Replica', 'auspex_ready'), choice('model', 'Model', 'auspex_model_version_role')],
  rows: [
    {
      title: 'How they are',
      height: 4,
      panels: [
        stat({ title: 'Calls', description: 'Calls of models a second, answered or not.', unit: 'reqps', expr: calls }),
        stat({
          title: 'Failures',
          description: 'Share of the calls that were not answered. Above 5 % for one version an alert fires.',
          unit: 'percentunit',
          expr: `sum(${rate('auspex_inference_request_failure_total')}) / ${calls}`,
          limits: [
            { at: 0.01, color: 'orange' },
            { at: 0.05, color: 'red' },
          ],
        }),
        stat({
          title: 'From the cache',
          description: 'Share of the rows that were answered without running the model.',
          unit: 'percentunit',
          expr: hitRatio('sum'),
        }),
        stat({
          title: 'Rows in a run',
          description: 'Rows that are run together on average. One row a run under load means that calls are not joined.',
          unit: 'short',
          expr: `sum(${rate('auspex_inference_rows_total')}) / sum(${rate('auspex_inference_exec_total')})`,
        }),
        stat({
          title: 'Rows under way',
          description: 'Rows that wait for a run, or are in one.',
          unit: 'none',
          expr: `sum(auspex_inference_pending_rows{${these}})`,
        }),
        stat({
          title: 'Broken folders',
          description: 'Models whose folder has problems as it lies in the store. Versions that were loaded before go on serving.',
          unit: 'none',
          expr: `count(max by (model) (auspex_model_problems{${these}}) > 0) or vector(0)`,
          limits: [{ at: 1, color: 'orange' }],
        }),
      ],
    },
    {
      title: 'Calls',
      panels: [
        graph({
          title: 'Calls by version',
          description: 'Calls a second, answered or not; a shadow answers some as well.',
          unit: 'reqps',
          queries: [{ expr: callsPerVersion, legend: '{{model}} {{version}}' }],
          isStacked: true,
        }),
        graph({
          title: 'Calls that were not answered',
          description: 'A second: the model failed, was late, or had too much to do. The log says which.',
          unit: 'reqps',
          queries: [{ expr: perVersion('auspex_inference_request_failure_total'), legend: '{{model}} {{version}}' }],
        }),
        graph({
          title: 'Rows',
          description: 'Rows a second that were run, against those that the cache answered.',
          unit: 'short',
          queries: [
            { expr: `sum(${rate('auspex_inference_rows_total')})`, legend: 'run' },
            { expr: `sum(${rate('auspex_inference_cache_hits_total')})`, legend: 'from the cache' },
          ],
          isStacked: true,
        }),
      ],
    },
    {
      title: 'How long it takes',
      panels: [
        graph({
          title: 'A run',
          description: 'Mean time of a run of the graph.',
          unit: 's',
          queries: [
            { expr: `${perVersion('auspex_inference_compute_duration_seconds_total')} / ${perVersion('auspex_inference_exec_total')}`, legend: '{{model}} {{version}}' },
          ],
        }),
        graph({
          title: 'Waiting for a run',
          description: 'Mean time that a row waits until it is run. Above a quarter of a second an alert fires.',
          unit: 's',
          queries: [
            { expr: `${perVersion('auspex_inference_queue_duration_seconds_total')} / ${perVersion('auspex_inference_rows_total')}`, legend: '{{model}} {{version}}' },
          ],
          limits: [{ at: 0.25, color: 'red' }],
        }),
        graph({
          title: 'Rows under way, by version',
          description: 'Rows that wait for a run or are in one. Past the manifest’s max_queue, calls are refused with OVERLOADED.',
          unit: 'none',
          queries: [{ expr: `sum by (model, version) (auspex_inference_pending_rows{${these}})`, legend: '{{model}} {{version}}' }],
        }),
        graph({
          title: 'Time in the model',
          description: 'Seconds of running in a second, by version: how many cores the models keep busy.',
          unit: 'short',
          queries: [{ expr: perVersion('auspex_inference_compute_duration_seconds_total'), legend: '{{model}} {{version}}' }],
          isStacked: true,
        }),
      ],
    },
    {
      title: 'Batches and cache',
      panels: [
        heatmap({
          title: 'Rows in a run, spread',
          description: 'Runs by how many rows they had. Calls of the same moment are joined: with more load, the bands move up.',
          unit: 'short',
          expr: `sum by (le) (increase(auspex_inference_batch_size_rows_bucket{${these}}[$__rate_interval]))`,
        }),
        graph({
          title: 'Rows in a run, mean',
          description: 'By version. A large call brings many rows at once; small calls are joined.',
          unit: 'short',
          queries: [{ expr: `${perVersion('auspex_inference_batch_size_rows_sum')} / ${perVersion('auspex_inference_batch_size_rows_count')}`, legend: '{{model}} {{version}}' }],
        }),
        graph({
          title: 'From the cache, by model',
          description: 'Share of the rows that were answered without running the model. A new version starts with an empty cache.',
          unit: 'percentunit',
          max: 1,
          queries: [{ expr: hitRatio('sum by (model)'), legend: '{{model}}' }],
        }),
      ],
    },
    {
      title: 'Canary against current',
      panels: [
        table({
          title: 'Which version is what',
          description: 'As the replicas say; two current versions of one model mean that a promotion has not reached them all.',
          unit: 'none',
          width: 8,
          expr: `max by (model, role, version) (auspex_model_version_role{${these}}) == 1`,
          columns: ['model', 'role', 'version'],
        }),
        graph({
          title: 'Calls, by role',
          description: 'Calls a second of models, by whether the current version answers or the canary.',
          unit: 'reqps',
          width: 8,
          queries: [{ expr: callsByRole, legend: '{{model}} {{role}}' }],
        }),
        graph({
          title: 'Failures, by role',
          description: 'Share of the calls that were not answered. Beyond max_error_rate of its manifest the canary stops by itself.',
          unit: 'percentunit',
          width: 8,
          queries: [{ expr: `${byRole('auspex_inference_request_failure_total')} / ${callsByRole}`, legend: '{{model}} {{role}}' }],
        }),
        graph({
          title: 'A run, by role',
          description: 'Mean time of a run of the graph.',
          unit: 's',
          width: 8,
          queries: [{ expr: `${byRole('auspex_inference_compute_duration_seconds_total')} / ${byRole('auspex_inference_exec_total')}`, legend: '{{model}} {{role}}' }],
        }),
        graph({
          title: 'Share of the canary',
          description: 'Callers out of a hundred that get it while it runs.',
          unit: 'none',
          width: 8,
          queries: [{ expr: `max by (model, version) (auspex_model_canary_percent{${these}})`, legend: '{{model}} {{version}}' }],
          nothing: 'no canary',
        }),
        graph({
          title: 'Canary stopped',
          description: '1 where it passed a limit and gets nobody any more; Model.canary says why.',
          unit: 'none',
          width: 8,
          max: 1,
          queries: [{ expr: `max by (model, version) (auspex_model_canary_stopped{${these}})`, legend: '{{model}} {{version}}' }],
          nothing: 'no canary',
        }),
      ],
    },
    {
      title: 'Shadow against current',
      panels: [
        graph({
          title: 'Rows that differ',
          description: 'Share of the rows on which shadow and current version differ, by a number by more than a thousandth or by anything else.',
          unit: 'percentunit',
          queries: [
            { expr: `${perVersion('auspex_model_shadow_differences_total')} / ${perVersion('auspex_model_shadow_rows_total')}`, legend: '{{model}} {{version}}' },
          ],
          limits: [{ at: 0.05, color: 'orange' }],
          nothing: 'no shadow',
        }),
        graph({
          title: 'Largest difference',
          description: 'Of a number, relative, since the version was loaded.',
          unit: 'percentunit',
          queries: [{ expr: `max by (model, version) (auspex_model_shadow_largest_difference_ratio{${these}})`, legend: '{{model}} {{version}}' }],
          nothing: 'no shadow',
        }),
        graph({
          title: 'Calls that the shadow failed',
          description: 'A second. Nobody waits for a shadow; as the current version it would have failed them.',
          unit: 'reqps',
          queries: [{ expr: perVersion('auspex_model_shadow_failures_total'), legend: '{{model}} {{version}}' }],
          nothing: 'no shadow',
        }),
      ],
    },
  ],
});
