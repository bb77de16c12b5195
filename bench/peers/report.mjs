/* Statistics and tables of the rounds. */
import { median } from '../support/setup.mjs';

/** @returns a quantile of sorted values */
export const quantile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];

/** What a round measured. @param latencies sorted; null where requests are no unit of work */
export function figuresOf({ cpuMs, databaseCpuMs, requests, rows = 1, seconds, latencies, rssMb }) {
  return {
    cpuMs: cpuMs / requests,
    databaseCpuMs: databaseCpuMs / requests,
    rowUs: (cpuMs * 1000) / (requests * rows),
    perSecond: requests / seconds,
    p50Ms: latencies === null ? null : quantile(latencies, 0.5),
    p99Ms: latencies === null ? null : quantile(latencies, 0.99),
    rssMb,
  };
}

/** Medians over the rounds. */
export const medians = (rounds) =>
  Object.fromEntries(
    Object.keys(Object.assign({}, ...rounds)).map((name) => {
      const values = rounds.map((round) => round[name]).filter((value) => value !== null && value !== undefined);
      return [name, values.length === 0 ? null : median(values)];
    }),
  );

const fixed = (value, digits = 0) => (value === null || value === undefined ? '–' : value.toFixed(digits));

export const markdownTable = (header, lines) =>
  [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/**
 * The table of a workload.
 * @param results by title: medians, or `{ failure }`; ratios are to the first
 */
export function workloadTable({ rows, loadShare, countsStatements }, results) {
  const reference = Object.values(results)[0].cpuMs;
  const header = [
    'server',
    'CPU ms/request',
    ...(rows ? ['CPU µs/row'] : []),
    'ratio',
    ...(countsStatements ? ['PostgreSQL CPU ms', 'statements'] : []),
    'requests/s',
    'p50 ms',
    'p99 ms',
    ...(loadShare ? [`p99 ms at ${loadShare * 100} %`] : []),
    'RSS MB',
  ];
  const lines = Object.entries(results).map(([title, figures]) =>
    figures.failure === undefined
      ? [
          title,
          fixed(figures.cpuMs, 3),
          ...(rows ? [fixed(figures.rowUs, 1)] : []),
          reference === undefined ? '–' : (figures.cpuMs / reference).toFixed(2),
          ...(countsStatements ? [fixed(figures.databaseCpuMs, 3), fixed(figures.statements, 1)] : []),
          fixed(figures.perSecond),
          fixed(figures.p50Ms, 1),
          fixed(figures.p99Ms, 1),
          ...(loadShare ? [fixed(figures.p99MsAtLoad, 1)] : []),
          fixed(figures.rssMb),
        ]
      : [title, figures.failure, ...header.slice(2).map(() => '–')],
  );
  return markdownTable(header, lines);
}

/** The table of starts: until a server responds, on its core, with the database warm. */
export const startTable = (starts) =>
  markdownTable(
    ['server', 'start ms', 'CPU ms of the start', 'RSS MB after the start'],
    Object.entries(starts).map(([title, { startMs, cpuMs, rssMb }]) => [
      title,
      fixed(startMs),
      fixed(cpuMs),
      fixed(rssMb),
    ]),
  );
