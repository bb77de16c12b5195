/* Compares the responses of servers, and measures rounds of requests. */
import { Agent } from 'node:http';
import { send, sendRequests, textOf } from './client.mjs';
import { figuresOf, quantile } from './report.mjs';
import { servers } from './servers.mjs';
import { usageOf } from './start.mjs';
import { countStatements } from './statement-counter.mjs';
import { idsOf, workloads } from './workloads.mjs';

export class Measurement {
  /** The number of requests so far, so that each has other cars. */
  #sent = 0;
  #redis;
  #database;
  #share;

  /** @param share of the requests of each round */
  constructor({ redis, database, share }) {
    this.#redis = redis;
    this.#database = database;
    this.#share = share;
  }

  /** Fails the servers that do not respond like the first one, whose response is stored in Redis for the limit that reads it there. */
  async compareResponses(workload, measured, attempt) {
    const { needsEmployee, resultOf, isEqual } = workloads[workload];
    const first = this.#take(1);
    const agent = new Agent();
    let reference;
    for (const server of measured)
      await attempt(server.name, async () => {
        const { kind, isOtherModel } = servers[server.name];
        if (needsEmployee) server.employeeId ??= await employeeIdOf(agent, server);
        const text = await textOf(await send(agent, requestFor(workload, server, first)));
        const result = (resultOf[kind] ?? resultOf.graphql)(text);
        if (reference === undefined) {
          reference = { name: server.name, result };
          await this.#redis.set(`bench:${workload}`, text);
        }
        if (kind !== 'loop' && !isEqual(reference.result, result, isOtherModel))
          throw new Error(`It responds unlike ${reference.name}: ${shown(result)}, not ${shown(reference.result)}`);
      });
    agent.destroy();
  }

  /** A round of requests, each connection with one request at a time. */
  async measure(workload, server) {
    const { count, connections, rows } = workloads[workload];
    const { kind, share = 1 } = servers[server.name];
    const requests = Math.max(connections, Math.round(count * share * this.#share));
    const [before, databaseBefore] = [await usageOf(server), await usageOf(this.#database)];
    const { seconds, latencies } =
      kind === 'loop' ? await runLoop(workload, server, requests) : await this.#send(workload, server, { requests });
    const [{ cpuMs, rssMb }, database] = [await usageOf(server), await usageOf(this.#database)];
    return figuresOf({
      cpuMs: cpuMs - before.cpuMs,
      databaseCpuMs: database.cpuMs - databaseBefore.cpuMs,
      ...{ requests, rows, seconds, latencies, rssMb },
    });
  }

  /** @returns statements per request */
  async countStatements(workload, server) {
    const requests = 100;
    const statements = await countStatements(this.#database.url, () => this.#send(workload, server, { requests }));
    return Math.round((10 * statements) / requests) / 10;
  }

  /** @returns the 99th percentile of latencies in milliseconds at a share of the peak rate */
  async measureAtLoad(workload, server, peakPerSecond) {
    const { count, loadShare } = workloads[workload];
    const requests = Math.round(count * this.#share);
    const { latencies } = await this.#send(workload, server, { requests, perSecond: loadShare * peakPerSecond });
    return quantile(latencies, 0.99);
  }

  #send(workload, server, { requests, perSecond }) {
    const first = this.#take(requests);
    return sendRequests({
      count: requests,
      connections: workloads[workload].connections,
      perSecond,
      requestOf: (n) => requestFor(workload, server, first + n),
    });
  }

  /** @returns the number of the first of these requests, a multiple of ten, with which the mixed workloads begin */
  #take(requests) {
    const first = Math.ceil(this.#sent / 10) * 10;
    this.#sent = first + requests;
    return first;
  }
}

/** The n-th request of a workload for a server. Requests are by the name of its program, or else by its kind. */
function requestFor(workload, server, n) {
  const { program, kind } = servers[server.name];
  const { requestOf, headers } = workloads[workload];
  const { path: route = '/graphql', ...request } =
    kind === 'redis' ? { method: 'GET', path: `/${workload}` } : (requestOf[program] ?? requestOf[kind])(n, server);
  return { url: `${server.url}${route}`, headers: { ...server.headers, ...headers }, ...request };
}

async function employeeIdOf(agent, server) {
  return idsOf(await textOf(await send(agent, requestFor('W1', server, 0))))[7];
}

/** One request, in which the server runs the model as often as others are called. */
async function runLoop(workload, server, runs) {
  const agent = new Agent();
  const { url, ...request } = requestFor(workload, server, 0);
  const startMs = performance.now();
  await send(agent, { url: `${url}&runs=${runs}`, ...request });
  agent.destroy();
  return { seconds: (performance.now() - startMs) / 1000, latencies: null };
}

const shown = (result) => JSON.stringify(result).slice(0, 300);
