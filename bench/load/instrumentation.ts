// Loaded into the gateway under test with `node --import`: reports memory and CPU time and records profiles on command.
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Session, type Profiler } from 'node:inspector/promises';
import { isMainThread } from 'node:worker_threads';

/** `usage` reports after a turn of the event loop, `memory` after a garbage collection. A CPU profile is written to `file` when it stops. */
export type Command =
  { kind: 'usage' } | { kind: 'memory' } | { kind: 'start-profile' } | { kind: 'stop-profile'; file: string };

/** Sizes are in bytes. */
export interface Report {
  /** User and system CPU time of the process. */
  cpuMs: number;
  rss: number;
  heapUsed: number;
  external: number;
  /** The longest delay of the event loop since the last report. */
  longestStallMs: number;
  /** Active resources of the event loop by type, such as sockets and timers. */
  resources: Record<string, number>;
}

const samplingIntervalUs = 200;

const session = new Session();

const delays = monitorEventLoopDelay({ resolution: 1 });
delays.enable();

const report = (): Report => {
  const cpu = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  const longestStallMs = delays.max / 1e6;
  delays.reset();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  return { cpuMs: (cpu.user + cpu.system) / 1000, rss, heapUsed, external, longestStallMs, resources };
};

async function execute(command: Command): Promise<Report> {
  if (command.kind === 'memory') {
    // Twice: finalizers release memory after the first.
    await globalThis.gc?.({ type: 'major', execution: 'async' });
    await globalThis.gc?.({ type: 'major', execution: 'async' });
  } else if (command.kind === 'usage') {
    // A stall is recorded by the timer that it delayed, which may be due after this message.
    await sleep(5);
  } else if (command.kind === 'start-profile') {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: samplingIntervalUs });
    await session.post('Profiler.start');
  } else {
    const { profile }: Profiler.StopReturnType = await session.post('Profiler.stop');
    await writeFile(command.file, JSON.stringify(profile));
  }
  const result = report();
  // After a reset the first delay is not recorded: the caller must not cause one before.
  if (command.kind === 'usage') await sleep(5);
  return result;
}

if (isMainThread && process.send) {
  process.on('message', (command: Command) => {
    void execute(command).then((result) => process.send?.(result));
  });
  // The channel must not keep the gateway alive.
  process.channel?.unref();
}
