import type { Metric, Registry } from 'prom-client';
import type { HistogramCounts } from '../../shared/histogram.js';

/** One series: what it is of, and its value. */
export interface Sample<Label extends string = string> {
  labels: Readonly<Record<Label, string | number>>;
  value: number;
}

/** The series of a histogram: what they are of, and what was counted. */
export interface HistogramSample<Label extends string = string> {
  labels: Readonly<Record<Label, string | number>>;
  counts: HistogramCounts;
}

type Now<Of> = () => readonly Of[] | Promise<readonly Of[]>;

/** Makes a metric: its name with its unit, its help, its labels, which the compiler holds the samples to, and its series as they are now. */
interface Kinds {
  counter: <Label extends string>(name: string, help: string, labels: readonly Label[], samples: Now<Sample<Label>>) => void;
  gauge: <Label extends string>(name: string, help: string, labels: readonly Label[], samples: Now<Sample<Label>>) => void;
  histogram: <Label extends string>(name: string, help: string, labels: readonly Label[], samples: Now<HistogramSample<Label>>) => void;
}

/**
 * Makes metrics that are read anew at each scrape. prom-client's own kinds keep the series themselves, and would have to be
 * emptied and filled at each scrape.
 */
export function metricsOf(registry: Registry): Kinds {
  const register = (type: string, name: string, help: string, valuesNow: () => Promise<readonly Line[]>): void => {
    const metric = { name, help, type, get: async () => ({ name, help, type, values: await valuesNow() }) };
    // The registry asks no more of a metric than this, which is also what prom-client registers for a cluster's sums.
    registry.registerMetric(metric as unknown as Metric);
  };
  return {
    counter: (name, help, _labels, samples) => register('counter', name, help, async () => samples()),
    gauge: (name, help, _labels, samples) => register('gauge', name, help, async () => samples()),
    histogram: (name, help, _labels, samples) => register('histogram', name, help, async () => (await samples()).flatMap((sample) => histogramLines(name, sample))),
  };
}

/** Samples of a metric that has no labels. */
export const one = (valueOf: () => number) => (): Sample<never>[] => [{ labels: {}, value: valueOf() }];

/** A sample for each name, which goes into the label. */
export const each = <Label extends string>(label: Label, valuesOf: () => Readonly<Record<string, number>>) => (): Sample<Label>[] =>
  // The key is the label that was given.
  Object.entries(valuesOf()).map(([name, value]) => ({ labels: { [label]: name } as Record<Label, string>, value }));

/** One line of the answer; the name is the metric's own where it has no other. */
type Line = Sample & { metricName?: string };

function histogramLines(name: string, { labels, counts: { bounds, counts, sum } }: HistogramSample): Line[] {
  let upTo = 0;
  const buckets = [...bounds, '+Inf'].map((le, at) => {
    upTo += counts[at] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: upTo };
  });
  return [...buckets, { metricName: `${name}_sum`, labels, value: sum }, { metricName: `${name}_count`, labels, value: upTo }];
}
