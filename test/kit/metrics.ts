import { expect } from '@jest/globals';

/** One line of values. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** A metric. */
export interface Family {
  type: string;
  help: string;
  samples: Sample[];
}

/**
 * Prometheus' text format, version 0.0.4, taken strictly: help and type before values, no family twice, no series twice.
 * @throws Error that shows the first line that is not as it should be
 */
export function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let family: Family | null = null;
  let name = '';
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const told = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (told?.[1] === 'HELP') {
      name = told[2] ?? '';
      if (families.has(name)) throw new Error(`twice: ${line}`);
      families.set(name, (family = { type: '', help: told[3] ?? '', samples: [] }));
      continue;
    }
    if (told?.[1] === 'TYPE') {
      if (told[2] !== name || family?.type !== '' || !/^(counter|gauge|histogram|summary)$/.test(told[3] ?? '')) throw new Error(`misplaced: ${line}`);
      family.type = told[3] ?? '';
      continue;
    }
    const value = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|NaN|\+?Inf))$/.exec(line);
    if (!value || !family?.type) throw new Error(`not understood: ${line}`);
    const [, of = '', labelText = '', number = ''] = value;
    if (of !== name && !(['histogram', 'summary'].includes(family.type) && /^_(bucket|sum|count)$/.test(of.slice(name.length)) && of.startsWith(name))) throw new Error(`of another family: ${line}`);
    if (seen.has(`${of}{${labelText}}`)) throw new Error(`twice: ${line}`);
    seen.add(`${of}{${labelText}}`);
    const labels = Object.fromEntries([...labelText.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', content = '']) => [label, content.replace(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign))]));
    family.samples.push({ name: of, labels, value: Number(number) });
  }
  for (const [told, { type }] of families) if (type === '') throw new Error(`without a type: ${told}`);
  return families;
}

/** What the gateway tells Prometheus now. */
export async function scrape(url: string): Promise<Map<string, Family>> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return parse(await response.text());
}

/** The value of the first series of this name that has these labels. */
export const valueOf = (families: Map<string, Family>, name: string, labels: Record<string, string>): number | undefined =>
  [...families.values()]
    .flatMap(({ samples }) => samples)
    .find((sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value))?.value;

/** By how much the series of a name have grown, by their labels' values in their order; those that have not are left out. */
export const growth =
  (before: Map<string, Family>, after: Map<string, Family>) =>
  (name: string): Record<string, number> => {
    const valuesOf = (families: Map<string, Family>): Map<string, number> =>
      new Map([...families.values()].flatMap(({ samples }) => samples.filter((sample) => sample.name === name).map(({ labels, value }) => [Object.values(labels).join(' '), value])));
    const old = valuesOf(before);
    return Object.fromEntries([...valuesOf(after)].map(([key, value]): [string, number] => [key, value - (old.get(key) ?? 0)]).filter(([, grown]) => grown !== 0));
  };
