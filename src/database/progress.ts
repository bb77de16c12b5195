const firstMs = 2_000;
const laterMs = 10_000;

/** Reports the seconds that work has taken so far: after two seconds, then every ten, until it settles. */
export async function withProgress<Result>(work: Promise<Result>, report: (seconds: number) => void): Promise<Result> {
  const startMs = performance.now();
  let timer: NodeJS.Timeout;
  const schedule = (delayMs: number): void => {
    timer = setTimeout(() => {
      report(secondsSince(startMs));
      schedule(laterMs);
    }, delayMs);
  };
  schedule(firstMs);
  return work.finally(() => clearTimeout(timer));
}

/** Seconds since a time of `performance.now()`, to tenths. */
export const secondsSince = (startMs: number): number => Math.round((performance.now() - startMs) / 100) / 10;
