import { Counter, Gauge, type Registry } from 'prom-client';

/** One series: what it is of, and its value. */
export interface Sample {
  labels: Record<string, string | number>;
  value: number;
}

/** Makes counters and gauges that are read anew at each scrape. */
export function metricsOf(registry: Registry) {
  const register =
    (Kind: typeof Counter | typeof Gauge) =>
    (name: string, help: string, labelNames: string[], samples: () => Sample[]): void => {
      new Kind({
        name,
        help,
        labelNames,
        registers: [registry],
        collect(this: Counter | Gauge) {
          this.reset();
          for (const { labels, value } of samples()) this.inc(labels, value);
        },
      });
    };
  return { counter: register(Counter), gauge: register(Gauge) };
}


/** Samples of a metric that has no labels. */
export const one = (valueOf: () => number) => (): Sample[] => [{ labels: {}, value: valueOf() }];

/** A sample for each name, which goes into the label. */
export const each = (label: string, valuesOf: () => Readonly<Record<string, number>>) => (): Sample[] =>
  Object.entries(valuesOf()).map(([name, value]) => ({ labels: { [label]: name }, value }));
