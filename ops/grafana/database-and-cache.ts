import { choice, dashboard } from './dashboard.ts';
import { graph, stat } from './panels.ts';

const here = 'instance=~"$instance"';
const these = `${here}, operation=~"$operation"`;
const rate = (metric: string): string => `rate(${metric}{${here}}[$__rate_interval])`;
const hitRatio = (kind: string, sum = 'sum'): string =>
  `${sum} (${rate(`auspex_${kind}_hits_total`)}) / (${sum} (${rate(`auspex_${kind}_hits_total`)}) + ${sum} (${rate(`auspex_${kind}_misses_total`)}))`;

/** What is asked of PostgreSQL and Redis, and what the caches spare them. */
export const databaseAndCache = dashboard({
  uid: 'auspex-database-and-cache',
  title: 'Auspex / Database and cache',
  description: 'Connections, statements by operation, reads by server, what the caches answer, and what waits to be written.',
  variables: [choice('instance', 'Replica', 'auspex_ready'), choice('operation', 'Operation', 'auspex_operations_total')],
  rows: [
    {
      title: 'How they are',
      height: 4,
      panels: [
        stat({
          title: 'Database',
          description: '1 where every replica reaches the database, 0 where one does not.',
          unit: 'none',
          expr: `min(auspex_database_up{${here}})`,
          limits: [{ at: 1, color: 'green' }],
          base: 'red',
        }),
        stat({
          title: 'Redis',
          description: '1 where every replica reaches Redis with all its caches, 0 where one does not. The gateway answers without it.',
          unit: 'none',
          expr: `min(auspex_cache_up{${here}})`,
          limits: [{ at: 1, color: 'green' }],
          base: 'red',
          nothing: 'no Redis',
        }),
        stat({
          title: 'Events between replicas',
          description: '1 where every replica hears of the others over Redis, 0 where one does not.',
          unit: 'none',
          expr: `min(auspex_pubsub_up{${here}})`,
          limits: [{ at: 1, color: 'green' }],
          base: 'red',
          nothing: 'no Redis',
        }),
        stat({ title: 'Statements', description: 'SQL statements of operations, a second.', unit: 'ops', expr: `sum(${rate('auspex_sql_statements_total')})` }),
        stat({
          title: 'A statement',
          description: 'Mean time of a statement, the wait for a connection among it.',
          unit: 's',
          expr: `sum(${rate('auspex_sql_duration_seconds_total')}) / sum(${rate('auspex_sql_statements_total')})`,
          limits: [
            { at: 0.05, color: 'orange' },
            { at: 0.25, color: 'red' },
          ],
        }),
        stat({
          title: 'Connections busy',
          description: 'The busiest pool’s share of connections that are at work. Above 90 % an alert fires.',
          unit: 'percentunit',
          expr: `max(sum by (instance, server) (auspex_database_pool_connections{${here}, state="busy"}) / sum by (instance, server) (auspex_database_pool_size{${here}}))`,
          limits: [
            { at: 0.7, color: 'orange' },
            { at: 0.9, color: 'red' },
          ],
        }),
      ],
    },
    {
      title: 'Database',
      panels: [
        graph({
          title: 'Connections',
          description: 'Open connections by server, busy and idle.',
          unit: 'none',
          width: 8,
          queries: [{ expr: `sum by (server, state) (auspex_database_pool_connections{${here}})`, legend: '{{server}} {{state}}' }],
          isStacked: true,
        }),
        graph({
          title: 'Waiting for a connection',
          description: 'Requests that wait. Where it stays above 0: DATABASE_POOL_SIZE is too small, or statements are slow.',
          unit: 'none',
          width: 8,
          queries: [{ expr: `sum by (instance, server) (auspex_database_pool_waiting{${here}})`, legend: '{{instance}} {{server}}' }],
        }),
        graph({
          title: 'Reads by server',
          description: 'Reads a second that went to the primary and to each replica of the database.',
          unit: 'ops',
          width: 8,
          queries: [{ expr: `sum by (server) (${rate('auspex_database_reads_total')})`, legend: '{{server}}' }],
          isStacked: true,
        }),
        graph({
          title: 'Replicas in use',
          description: '1 where a replica of the database answers reads, 0 where it is left out since it is away or too far behind. The primary then answers for it.',
          unit: 'none',
          width: 8,
          max: 1,
          queries: [{ expr: `min by (server) (auspex_database_replica_up{${here}})`, legend: '{{server}}' }],
          nothing: 'no replica',
        }),
        graph({
          title: 'How far replicas are behind',
          description: 'At the most. Whoever has changed something reads from the primary for READ_OWN_WRITES_SECONDS; a replica that is further behind is left out.',
          unit: 's',
          width: 8,
          queries: [{ expr: `max by (server) (auspex_database_replica_lag_seconds{${here}})`, legend: '{{server}}' }],
          nothing: 'no replica',
        }),
        graph({
          title: 'Reads that the primary took over',
          description: 'A second: a replica was asked, could not answer, and the primary did. Callers notice nothing.',
          unit: 'ops',
          width: 8,
          queries: [{ expr: `sum by (server) (${rate('auspex_database_reads_moved_total')})`, legend: '{{server}}' }],
          nothing: 'no replica',
        }),
      ],
    },
    {
      title: 'Statements',
      panels: [
        graph({
          title: 'Statements of an operation, mean',
          description: 'How many SQL statements one operation takes. A page takes one or two, however long; where it grows with the page, a loader is missing.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (operation) (rate(auspex_operation_sql_statements_sum{${these}}[$__rate_interval])) / sum by (operation) (rate(auspex_operation_sql_statements_count{${these}}[$__rate_interval]))`,
              legend: '{{operation}}',
            },
          ],
        }),
        graph({
          title: 'Statements of an operation, p99',
          description: 'Within this number 99 of 100 operations stay.',
          unit: 'short',
          queries: [
            { expr: `histogram_quantile(0.99, sum by (le, operation) (rate(auspex_operation_sql_statements_bucket{${these}}[$__rate_interval])))`, legend: '{{operation}}' },
          ],
        }),
        graph({
          title: 'Time in statements',
          description: 'Seconds that operations wait for statements, in a second: on average so many are under way.',
          unit: 'short',
          queries: [{ expr: `sum by (instance) (${rate('auspex_sql_duration_seconds_total')})`, legend: '{{instance}}' }],
          isStacked: true,
        }),
      ],
    },
    {
      title: 'Caches',
      panels: [
        graph({
          title: 'Answered from the cache',
          description: 'Share of what each cache was asked for and had: whole answers, rows of queries, predictions.',
          unit: 'percentunit',
          width: 8,
          max: 1,
          queries: [
            { expr: hitRatio('response_cache'), legend: 'answers' },
            { expr: hitRatio('query_cache'), legend: 'queries' },
            { expr: hitRatio('inference_cache'), legend: 'predictions' },
          ],
        }),
        graph({
          title: 'Queries from the cache',
          description: 'Share of each kept query that needed no SQL.',
          unit: 'percentunit',
          width: 8,
          max: 1,
          queries: [{ expr: hitRatio('query_cache', 'sum by (query)'), legend: '{{query}}' }],
        }),
        graph({
          title: 'Forgotten',
          description: 'Changes a second that made what was kept old. Where it is near the rate of misses, little is kept for long.',
          unit: 'ops',
          width: 8,
          queries: [
            { expr: `sum(${rate('auspex_response_cache_invalidations_total')})`, legend: 'answers' },
            { expr: `sum(${rate('auspex_query_cache_invalidations_total')})`, legend: 'queries' },
          ],
        }),
        graph({
          title: 'Redis, as the replicas see it',
          description: '1 where it answers, by what it is used for. Where it is 0, the gateway does without.',
          unit: 'none',
          width: 8,
          max: 1,
          queries: [
            { expr: `min by (cache) (auspex_cache_up{${here}})`, legend: 'cache: {{cache}}' },
            { expr: `min(auspex_pubsub_up{${here}})`, legend: 'events' },
            { expr: `min(auspex_rate_limit_store_up{${here}})`, legend: 'limits of callers' },
          ],
          nothing: 'no Redis',
        }),
        graph({
          title: 'Waiting to be written',
          description: 'Predictions and counts of documents that wait for the database, and are lost if the process is killed. From 20,000 predictions on, calls are refused.',
          unit: 'none',
          width: 8,
          queries: [{ expr: `sum by (queue) (auspex_queue_length{${here}, queue!="inference"})`, legend: '{{queue}}' }],
        }),
        graph({
          title: 'Predictions lost',
          description: 'Predictions that were answered and could not be recorded, a second. It should be 0.',
          unit: 'eps',
          width: 8,
          queries: [{ expr: `sum by (instance) (${rate('auspex_predictions_lost_total')})`, legend: '{{instance}}' }],
        }),
      ],
    },
    {
      title: 'Exchange rates',
      panels: [
        graph({
          title: 'Requests of the service',
          description: 'A second: answered, failed, or not even sent, while the breaker is open.',
          unit: 'reqps',
          queries: [{ expr: `sum by (outcome) (${rate('auspex_exchange_rate_requests_total')})`, legend: '{{outcome}}' }],
          nothing: 'no service',
        }),
        graph({
          title: 'Age of the rates',
          description: 'Since they were fetched. After six hours an alert fires; past EXCHANGE_RATES_MAX_STALE_SECONDS nothing is converted.',
          unit: 's',
          queries: [{ expr: `max by (instance) (auspex_exchange_rates_age_seconds{${here}})`, legend: '{{instance}}' }],
          limits: [{ at: 21_600, color: 'orange' }],
          nothing: 'no rates',
        }),
        graph({
          title: 'Breaker open',
          description: '1 where the service failed so often that it is left alone for a while.',
          unit: 'none',
          max: 1,
          queries: [{ expr: `max by (instance) (auspex_exchange_rates_breaker_open{${here}})`, legend: '{{instance}}' }],
          nothing: 'no service',
        }),
      ],
    },
  ],
});
