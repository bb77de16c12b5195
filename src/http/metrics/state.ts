import { Registry } from 'prom-client';
import type { Look } from '../health.js';
import { metricsOf, type Sample } from './series.js';

/** How the gateway is. */
export interface StateSource {
  /** What runs here. */
  build: { version: string; node: string };
  look(): Promise<Look>;
  /** Caches in Redis, and whether each is up; those in memory are left out. */
  caches(): Readonly<Record<string, boolean>>;
  /** Whether messages reach other replicas; null where they are not meant to. */
  reachesReplicas(): boolean | null;
}

/** Whether the gateway, and what it stands on, is up. */
export function stateMetrics(source: StateSource): Registry {
  const registry = new Registry();
  const { gauge } = metricsOf(registry);
  gauge('auspex_build_info', 'Always 1; the labels say what runs here.', ['version', 'node'], () => [{ labels: source.build, value: 1 }]);
  gauge('auspex_ready', '1 while /readyz says so; 0 also while the gateway drains.', [], async () => flag((await source.look()).status === 'ready'));
  gauge('auspex_database_up', '1 where the database answers.', [], async () => flag((await source.look()).parts.database?.isUp === true));
  gauge('auspex_cache_up', '1 where a cache in Redis answers; without Redis there is none.', ['cache'], () =>
    Object.entries(source.caches()).map(([cache, isUp]) => ({ labels: { cache }, value: Number(isUp) })),
  );
  gauge('auspex_pubsub_up', '1 where messages reach other replicas through Redis; without Redis there is none.', [], () => {
    const isUp = source.reachesReplicas();
    return isUp === null ? [] : flag(isUp);
  });
  return registry;
}

const flag = (isTrue: boolean): Sample<never>[] => [{ labels: {}, value: Number(isTrue) }];
