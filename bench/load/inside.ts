// Loaded into the gateway that is measured (`node --import`), beside it and unknown to it: says what only its own process knows.
import { writeFile } from 'node:fs/promises';
import { Session, type Profiler } from 'node:inspector/promises';
import { isMainThread } from 'node:worker_threads';

/** What may be asked: how much memory is left after a collection of garbage; and a profile of the processor's time from now until it is told where it goes. */
export type Asked = { ask: 'memory' } | { ask: 'profile' } | { ask: 'profile end'; file: string };

/** What is answered. Sizes are in bytes. */
export interface Told {
  rss: number;
  heapUsed: number;
  external: number;
  /** What keeps the process busy or waiting, by its kind, such as sockets and timers. */
  resources: Record<string, number>;
}

/** Often enough to see what takes a fifth of a millisecond. */
const samplingIntervalUs = 200;

const session = new Session();

const told = (): Told => {
  const { rss, heapUsed, external } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  return { rss, heapUsed, external, resources };
};

async function answer(asked: Asked): Promise<Told> {
  if (asked.ask === 'memory') {
    // Twice: the first lets go of what finalizers hold.
    await globalThis.gc?.({ type: 'major', execution: 'async' });
    await globalThis.gc?.({ type: 'major', execution: 'async' });
  } else if (asked.ask === 'profile') {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: samplingIntervalUs });
    await session.post('Profiler.start');
  } else {
    const { profile }: Profiler.StopReturnType = await session.post('Profiler.stop');
    await writeFile(asked.file, JSON.stringify(profile));
  }
  return told();
}

if (isMainThread && process.send) {
  process.on('message', (asked: Asked) => {
    void answer(asked).then((answered) => process.send?.(answered));
  });
  // It must not keep the gateway from ending.
  process.channel?.unref();
}
