import { choice, dashboard } from './dashboard.ts';
import { graph, heatmap, stat } from './panels.ts';

const here = 'instance=~"$instance"';
const these = `${here}, operation=~"$operation"`;
const buckets = `sum by (le) (rate(auspex_operation_duration_seconds_bucket{${these}}[$__rate_interval]))`;
const bucketsByOperation = `sum by (le, operation) (rate(auspex_operation_duration_seconds_bucket{${these}}[$__rate_interval]))`;

/** Is it well, and if not, where to look. */
export const overview = dashboard({
  uid: 'auspex-overview',
  title: 'Auspex / Overview',
  description: 'What is asked, what goes wrong, how long it takes, and what it takes up. Names of operations are those of trusted documents; all others are "other".',
  variables: [choice('instance', 'Replica', 'auspex_ready'), choice('operation', 'Operation', 'auspex_operations_total')],
  rows: [
    {
      title: 'How it is',
      height: 4,
      panels: [
        stat({
          title: 'Replicas ready',
          description: 'Replicas that say they are ready. With none, callers get no answer.',
          unit: 'none',
          expr: `sum(auspex_ready{${here}})`,
          limits: [{ at: 1, color: 'green' }],
          base: 'red',
        }),
        stat({
          title: 'Alerts',
          description: 'Alerts that fire now; Prometheus lists them under /alerts, and docs/operations.md says what to do about each.',
          unit: 'none',
          expr: 'count(ALERTS{alertstate="firing"}) or vector(0)',
          limits: [{ at: 1, color: 'red' }],
        }),
        stat({
          title: 'Operations',
          description: 'Operations a second, kept answers among them.',
          unit: 'ops',
          expr: `sum(rate(auspex_operations_total{${these}}[$__rate_interval]))`,
        }),
        stat({
          title: 'Faults, last hour',
          description: 'Share of operations that ended in a fault of the gateway, on all replicas. The objective is 0.1 %; at 1.44 % an alert fires.',
          unit: 'percentunit',
          expr: 'auspex:operation_faults:ratio_rate1h',
          limits: [
            { at: 0.001, color: 'orange' },
            { at: 0.0144, color: 'red' },
          ],
        }),
        stat({
          title: 'Slowest in a hundred',
          description: 'Within this time 99 of 100 operations were answered in the last five minutes, on all replicas. Above a second an alert fires.',
          unit: 's',
          expr: 'auspex:operation_duration_seconds:p99_rate5m',
          limits: [
            { at: 0.5, color: 'orange' },
            { at: 1, color: 'red' },
          ],
        }),
        stat({
          title: 'Requests under way',
          description: 'Requests whose answer is not sent yet, open event streams among them. When it grows and the rate does not, something is waited for.',
          unit: 'none',
          expr: `sum(auspex_http_requests_in_flight{${here}})`,
        }),
        stat({
          title: 'Streams open',
          description: 'Subscriptions that are open, by WebSocket or as server-sent events.',
          unit: 'none',
          expr: `sum(auspex_streams_open{${here}})`,
        }),
        stat({
          title: 'Version',
          description: 'The version that runs. Two of them are seen while replicas are replaced, and at no other time.',
          unit: 'none',
          expr: `count by (version) (auspex_build_info{${here}})`,
          legend: '{{version}}',
          showsName: true,
        }),
      ],
    },
    {
      title: 'What is asked',
      panels: [
        graph({
          title: 'Operations by name',
          description: 'Operations a second.',
          unit: 'ops',
          queries: [{ expr: `sum by (operation) (rate(auspex_operations_total{${these}}[$__rate_interval]))`, legend: '{{operation}}' }],
          isStacked: true,
        }),
        graph({
          title: 'Operations by outcome',
          description: 'ok; error: a fault of the gateway; refused: all errors are the caller’s, who is not signed in, may not, asked wrongly or too much.',
          unit: 'ops',
          queries: [{ expr: `sum by (outcome) (rate(auspex_operations_total{${these}}[$__rate_interval]))`, legend: '{{outcome}}' }],
          isStacked: true,
        }),
        graph({
          title: 'Errors by code',
          description: 'Errors in answers, a second. INTERNAL_SERVER_ERROR is a fault whose id the log knows; SERVICE_UNAVAILABLE and TIMEOUT mean that a part is away or slow, OVERLOADED that it has too much to do.',
          unit: 'eps',
          queries: [{ expr: `sum by (code) (rate(auspex_operation_errors_total{${these}}[$__rate_interval]))`, legend: '{{code}}' }],
          isStacked: true,
          nothing: 'no errors',
        }),
        graph({
          title: 'HTTP answers',
          description: 'Requests a second by route and status, whatever they carried.',
          unit: 'reqps',
          queries: [{ expr: `sum by (route, status) (rate(auspex_http_requests_total{${here}}[$__rate_interval]))`, legend: '{{route}} {{status}}' }],
          isStacked: true,
        }),
      ],
    },
    {
      title: 'How long it takes',
      panels: [
        graph({
          title: 'All operations',
          description: 'Half, 95 and 99 of 100 operations are answered within these times.',
          unit: 's',
          queries: [
            { expr: `histogram_quantile(0.50, ${buckets})`, legend: 'p50' },
            { expr: `histogram_quantile(0.95, ${buckets})`, legend: 'p95' },
            { expr: `histogram_quantile(0.99, ${buckets})`, legend: 'p99' },
          ],
          limits: [{ at: 1, color: 'red' }],
        }),
        graph({
          title: 'p50 by operation',
          description: 'What an operation takes as a rule.',
          unit: 's',
          queries: [{ expr: `histogram_quantile(0.50, ${bucketsByOperation})`, legend: '{{operation}}' }],
        }),
        graph({
          title: 'p95 by operation',
          description: 'What one caller in twenty waits for at least.',
          unit: 's',
          queries: [{ expr: `histogram_quantile(0.95, ${bucketsByOperation})`, legend: '{{operation}}' }],
        }),
        graph({
          title: 'p99 by operation',
          description: 'Which operation it is when the alert AnswersSlow fires.',
          unit: 's',
          queries: [{ expr: `histogram_quantile(0.99, ${bucketsByOperation})`, legend: '{{operation}}' }],
          limits: [{ at: 1, color: 'red' }],
        }),
        heatmap({
          title: 'Spread of durations',
          description: 'How many operations took how long. Two bands mean two kinds of answers, such as kept and computed ones.',
          unit: 's',
          width: 24,
          expr: `sum by (le) (increase(auspex_operation_duration_seconds_bucket{${these}}[$__rate_interval]))`,
        }),
      ],
    },
    {
      title: 'What it takes up',
      panels: [
        graph({
          title: 'CPU',
          description: 'Share of one core. Operations run on one; models that run in threads of their own, and compression, take more.',
          unit: 'percentunit',
          width: 8,
          queries: [{ expr: `rate(process_cpu_seconds_total{${here}}[$__rate_interval])`, legend: '{{instance}}' }],
        }),
        graph({
          title: 'Event loop, how late',
          description: 'By how much one turn in a hundred of the event loop is late. Every caller of the replica waits for it.',
          unit: 's',
          width: 8,
          queries: [{ expr: `nodejs_eventloop_lag_p99_seconds{${here}}`, legend: '{{instance}}' }],
          limits: [{ at: 0.25, color: 'red' }],
        }),
        graph({
          title: 'Garbage collection',
          description: 'Share of the time that goes into it, by its kind. Above 20 % the heap is too small for the load.',
          unit: 'percentunit',
          width: 8,
          queries: [{ expr: `sum by (instance, kind) (rate(nodejs_gc_duration_seconds_sum{${here}}[$__rate_interval]))`, legend: '{{instance}} {{kind}}' }],
        }),
        graph({
          title: 'Memory',
          description: 'All that the process holds, models and threads among it, and what JavaScript has of it.',
          unit: 'bytes',
          width: 8,
          queries: [
            { expr: `process_resident_memory_bytes{${here}}`, legend: '{{instance}} all' },
            { expr: `nodejs_heap_size_used_bytes{${here}}`, legend: '{{instance}} heap' },
          ],
        }),
        graph({
          title: 'Requests under way, by replica',
          description: 'By replica. An uneven share means a balancer that does not balance, or a replica that is slow.',
          unit: 'none',
          width: 8,
          queries: [{ expr: `auspex_http_requests_in_flight{${here}}`, legend: '{{instance}}' }],
        }),
        graph({
          title: 'Waiting',
          description: 'What waits, by queue: rows for a model, predictions and counts of documents to be written.',
          unit: 'none',
          width: 8,
          queries: [{ expr: `sum by (queue) (auspex_queue_length{${here}})`, legend: '{{queue}}' }],
        }),
        graph({
          title: 'Streams',
          description: 'Open subscriptions by what carries them.',
          unit: 'none',
          width: 8,
          queries: [{ expr: `sum by (transport) (auspex_streams_open{${here}})`, legend: '{{transport}}' }],
        }),
        graph({
          title: 'Events of streams',
          description: 'Events that were executed for a subscription, a second.',
          unit: 'eps',
          width: 8,
          queries: [{ expr: `sum(rate(auspex_stream_events_total{${here}}[$__rate_interval]))`, legend: 'events' }],
        }),
        graph({
          title: 'Replicas',
          description: 'Those that answer Prometheus, and those that are ready.',
          unit: 'none',
          width: 8,
          queries: [
            { expr: `sum(up{job="gateway", ${here}})`, legend: 'up' },
            { expr: `sum(auspex_ready{${here}})`, legend: 'ready' },
          ],
        }),
      ],
    },
  ],
});
