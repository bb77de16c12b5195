import { choice, dashboard } from './dashboard.ts';
import { graph, stat } from './panels.ts';

const here = 'instance=~"$instance"';
const rate = (metric: string, and = ''): string => `rate(${metric}{${here}${and}}[$__rate_interval])`;
const lastHour = (metric: string, and = ''): string => `sum(increase(${metric}{${here}${and}}[1h]))`;

/** Who is refused what, and whether somebody tries the doors. */
export const security = dashboard({
  uid: 'auspex-security',
  title: 'Auspex / Security',
  description: 'Refusals by their reason, sign-ins, limits of callers, documents that are not trusted, streams that were refused.',
  variables: [choice('instance', 'Replica', 'auspex_ready')],
  rows: [
    {
      title: 'In the last hour',
      height: 4,
      panels: [
        stat({ title: 'Refused', description: 'Requests that were refused, for any reason.', unit: 'short', expr: lastHour('auspex_refusals_total') }),
        stat({
          title: 'Sign-ins that failed',
          description: 'A wrong address or password, or too many attempts.',
          unit: 'short',
          expr: lastHour('auspex_logins_total', ', outcome!="succeeded"'),
          limits: [
            { at: 100, color: 'orange' },
            { at: 1000, color: 'red' },
          ],
        }),
        stat({
          title: 'Callers over their limit',
          description: 'Requests beyond RATE_LIMIT_PER_VIEWER and RATE_LIMIT_PER_ADDRESS.',
          unit: 'short',
          expr: lastHour('auspex_rate_limit_refusals_total'),
          limits: [{ at: 1000, color: 'orange' }],
        }),
        stat({
          title: 'Documents not trusted',
          description: 'Operations that nobody released, refused with TRUSTED_DOCUMENTS=enforce.',
          unit: 'short',
          expr: lastHour('auspex_refusals_total', ', reason="untrusted_document"'),
          limits: [{ at: 100, color: 'orange' }],
          nothing: '0',
        }),
        stat({ title: 'Streams refused', description: 'Subscriptions that were refused: not allowed, too many, or shutting down.', unit: 'short', expr: lastHour('auspex_streams_refused_total') }),
      ],
    },
    {
      title: 'Refusals',
      panels: [
        graph({
          title: 'Refused, by reason',
          description: 'A second. A new client with a wrong credential shows as unauthenticated, a probing one as bad_request, too_large and untrusted_document.',
          unit: 'reqps',
          queries: [{ expr: `sum by (reason) (${rate('auspex_refusals_total')})`, legend: '{{reason}}' }],
          isStacked: true,
          nothing: 'none',
        }),
        graph({
          title: 'Refused, as a share of all requests',
          description: 'Where one reason stays above a fifth, an alert fires.',
          unit: 'percentunit',
          queries: [
            {
              expr: `sum by (reason) (${rate('auspex_refusals_total')}) / on () group_left () sum(${rate('auspex_http_requests_total', ', route="/graphql"')})`,
              legend: '{{reason}}',
            },
          ],
          limits: [{ at: 0.2, color: 'red' }],
          nothing: 'none',
        }),
        graph({
          title: 'HTTP answers of 400 and above',
          description: 'A second, by status.',
          unit: 'reqps',
          queries: [{ expr: `sum by (status) (${rate('auspex_http_requests_total', ', status=~"4..|5.."')})`, legend: '{{status}}' }],
          isStacked: true,
          nothing: 'none',
        }),
      ],
    },
    {
      title: 'Sign-ins',
      panels: [
        graph({
          title: 'Sign-ins by outcome',
          description: 'A second: succeeded, failed (wrong address or password), throttled (too many attempts).',
          unit: 'reqps',
          queries: [{ expr: `sum by (outcome) (${rate('auspex_logins_total')})`, legend: '{{outcome}}' }],
          isStacked: true,
        }),
        graph({
          title: 'Share that fails',
          description: 'Of all sign-ins. More than half of many, and an alert fires.',
          unit: 'percentunit',
          max: 1,
          queries: [{ expr: `sum(${rate('auspex_logins_total', ', outcome!="succeeded"')}) / sum(${rate('auspex_logins_total')})`, legend: 'not succeeded' }],
          limits: [{ at: 0.5, color: 'red' }],
        }),
        graph({
          title: 'Not signed in, not allowed',
          description: 'Errors in answers, a second, by operation: a client that lost its session, or asks for what its users may not see.',
          unit: 'eps',
          queries: [
            {
              expr: `sum by (operation, code) (${rate('auspex_operation_errors_total', ', code=~"UNAUTHENTICATED|FORBIDDEN"')})`,
              legend: '{{operation}} {{code}}',
            },
          ],
          nothing: 'none',
        }),
      ],
    },
    {
      title: 'Limits and streams',
      panels: [
        graph({
          title: 'Callers over their limit, by kind',
          description: 'Requests refused a second: of viewers who have signed in, and of addresses that have not.',
          unit: 'reqps',
          queries: [{ expr: `sum by (kind) (${rate('auspex_rate_limit_refusals_total')})`, legend: '{{kind}}' }],
          nothing: 'none',
        }),
        graph({
          title: 'Limits kept in common',
          description: '1 where replicas count callers together, in Redis; where it is 0, each counts for itself, and a caller gets more.',
          unit: 'none',
          max: 1,
          queries: [{ expr: `min by (instance) (auspex_rate_limit_store_up{${here}})`, legend: '{{instance}}' }],
          nothing: 'no Redis',
        }),
        graph({
          title: 'Streams that ended, by reason',
          description: 'A second. credential: a token has expired, a session has ended, or a role was changed. slow reader: events were not read in time.',
          unit: 'eps',
          queries: [{ expr: `sum by (reason) (${rate('auspex_streams_ended_total')})`, legend: '{{reason}}' }],
          nothing: 'none',
        }),
        graph({
          title: 'Streams refused, by replica',
          description: 'Subscriptions that were refused, a second, by replica.',
          unit: 'eps',
          queries: [{ expr: `sum by (instance) (${rate('auspex_streams_refused_total')})`, legend: '{{instance}}' }],
        }),
      ],
    },
  ],
});
