import { failureCount, type Outcome, type TrafficResult } from './traffic.ts';

/** Formats a result as a table by operation, followed by failures by code. */
export function formatResult({ total, kinds, seconds, non2xx }: TrafficResult): string {
  const rows = [...kinds, ['all', total] as const].map(([name, outcome]) => [name, ...figures(outcome, seconds)]);
  const codes = Object.entries(total.failed).map(([code, count]) => `${code} ${count}`);
  return [
    table([['', 'requests/s', 'p50 ms', 'p90 ms', 'p99 ms', 'p99.9 ms', 'succeeded', 'failed'], ...rows]),
    `${seconds.toFixed(1)} s; responses other than 2xx: ${non2xx}; failures: ${codes.length > 0 ? codes.join(', ') : 'none'}`,
    '',
  ].join('\n');
}

function figures(outcome: Outcome, seconds: number): string[] {
  const { latency, succeeded } = outcome;
  const ms = (percentile: number): string =>
    latency.count === 0 ? '-' : (latency.percentile(percentile) / 1000).toFixed(1);
  return [
    (succeeded / seconds).toFixed(1),
    ms(50),
    ms(90),
    ms(99),
    ms(99.9),
    String(succeeded),
    String(failureCount(outcome)),
  ];
}

/** Formats rows as columns; all but the first are right-aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
