/* Compares the CPU time of variants of a gateway in this process. */
import { median, startClient } from './setup.mjs';

const rounds = 5;
const seconds = 1;
const connections = 16;

/**
 * Measures each operation with each variant in alternating order, after a round that warms them up, and prints a table.
 * @param variants by name: a function that switches to the variant
 * @param operations by name: the request, and the URL of its gateway
 * @param allowsErrors accepts responses with errors beside data
 * @returns medians of the CPU time per request in milliseconds, by operation and variant
 */
export async function compareCpu(resources, { variants, operations, token, allowsErrors = false }) {
  const send = startClient(resources);
  const figures = {};
  for (let round = -1; round < rounds; round++)
    for (const [name, { url, ...request }] of Object.entries(operations)) {
      // Alternate the order, so that drift of the machine favors neither.
      const order = Object.keys(variants);
      for (const variant of round % 2 === 0 ? order : order.toReversed()) {
        variants[variant]();
        const cpuMs = await cpuMsOf(() =>
          send({ url, token, connections, seconds, allowsErrors, bodies: [JSON.stringify(request)] }),
        );
        if (round >= 0) ((figures[name] ??= {})[variant] ??= []).push(cpuMs);
      }
    }
  const medians = Object.fromEntries(
    Object.entries(figures).map(([name, by]) => [
      name,
      Object.fromEntries(Object.entries(by).map(([variant, each]) => [variant, median(each)])),
    ]),
  );
  console.table(
    Object.fromEntries(Object.entries(medians).map(([name, by]) => [name, row(by, Object.keys(variants))])),
  );
  return medians;
}

const row = (by, [one, other]) => ({
  [`${one}, CPU ms`]: by[one].toFixed(3),
  [`${other}, CPU ms`]: by[other].toFixed(3),
  ratio: (by[one] / by[other]).toFixed(2),
});

/** CPU time per request of the gateway's thread. */
async function cpuMsOf(send) {
  const before = process.threadCpuUsage();
  const startedAt = performance.now();
  const { perSecond } = await send();
  const cpu = process.threadCpuUsage(before);
  return (cpu.user + cpu.system) / 1000 / (perSecond * ((performance.now() - startedAt) / 1000));
}
