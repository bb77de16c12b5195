import { expect } from '@jest/globals';

/** One line with a value. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** A metric with its series. */
export interface Family {
  type: string;
  help: string;
  samples: Sample[];
}

/**
 * Parses Prometheus' text format 0.0.4 strictly: help and type before values, no duplicate metric or series.
 * @throws Error that quotes the first invalid line
 */
export function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const series = new Set<string>();
  let family: Family | null = null;
  let name = '';
  if (!text.endsWith('\n')) throw new Error('the last line has no line feed');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const header = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (header?.[1] === 'HELP') {
      name = header[2] ?? '';
      if (families.has(name)) throw new Error(`duplicate metric: ${line}`);
      families.set(name, (family = { type: '', help: header[3] ?? '', samples: [] }));
      continue;
    }
    if (header?.[1] === 'TYPE') {
      if (header[2] !== name || family?.type !== '' || !/^(counter|gauge|histogram|summary)$/.test(header[3] ?? ''))
        throw new Error(`misplaced type: ${line}`);
      family.type = header[3] ?? '';
      continue;
    }
    // Prometheus parses numbers without regard to case; prom-client writes "Nan".
    const value =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|Nan|\+?Inf))$/.exec(
        line,
      );
    if (!value || !family?.type) throw new Error(`invalid line: ${line}`);
    const [, sampleName = '', labelText = '', number = ''] = value;
    if (
      sampleName !== name &&
      !(
        ['histogram', 'summary'].includes(family.type) &&
        /^_(bucket|sum|count)$/.test(sampleName.slice(name.length)) &&
        sampleName.startsWith(name)
      )
    )
      throw new Error(`value of another metric: ${line}`);
    if (series.has(`${sampleName}{${labelText}}`)) throw new Error(`duplicate series: ${line}`);
    series.add(`${sampleName}{${labelText}}`);
    const labels = Object.fromEntries(
      [...labelText.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', content = '']) => [
        label,
        content.replace(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign)),
      ]),
    );
    family.samples.push({ name: sampleName, labels, value: Number(number) });
  }
  for (const [metric, { type }] of families) if (type === '') throw new Error(`missing type: ${metric}`);
  return families;
}

/** Scrapes and parses `/metrics`. */
export async function scrape(url: string): Promise<Map<string, Family>> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return parse(await response.text());
}

/** The value of the first series with this name and these labels. */
export const valueOf = (
  families: Map<string, Family>,
  name: string,
  labels: Record<string, string>,
): number | undefined =>
  [...families.values()]
    .flatMap(({ samples }) => samples)
    .find(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )?.value;

/**
 * Increase of each series of a metric between two scrapes, by its label values joined with spaces; unchanged series are
 * left out.
 */
export const growth =
  (before: Map<string, Family>, after: Map<string, Family>) =>
  (name: string): Record<string, number> => {
    const valuesOf = (families: Map<string, Family>): Map<string, number> =>
      new Map(
        [...families.values()].flatMap(({ samples }) =>
          samples
            .filter((sample) => sample.name === name)
            .map(({ labels, value }) => [Object.values(labels).join(' '), value]),
        ),
      );
    const previous = valuesOf(before);
    return Object.fromEntries(
      [...valuesOf(after)]
        .map(([key, value]): [string, number] => [key, value - (previous.get(key) ?? 0)])
        .filter(([, increase]) => increase !== 0),
    );
  };
