import { collectDefaultMetrics, Registry } from 'prom-client';

/** Gauges whose names are those of counters; each is the sum of the one beside it, which tells them by type. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

let ofThisProcess: Registry | undefined;

/** The process has one set, however many gateways run in it: each set observes the garbage collector and the event loop for good. */
export function processMetrics(): Registry {
  if (!ofThisProcess) {
    ofThisProcess = new Registry();
    collectDefaultMetrics({ register: ofThisProcess });
    for (const name of misnamed) ofThisProcess.removeSingleMetric(name);
  }
  return ofThisProcess;
}
