import type { DomainModule, LocalEntity, SchemaExtension, Services, WriteQueue } from './module.js';
import { NodeResolver } from './relay/node.js';

/** The parts of all loaded domains. */
export interface LoadedModules {
  resolvers: object[];
  extensions: SchemaExtension[];
  localEntities: LocalEntity[];
  queues: WriteQueue[];
}

/** Loads the domains in their order; `opened` closes them. */
export async function loadModules(
  domains: readonly DomainModule[],
  services: Services,
  opened: AsyncDisposableStack,
): Promise<LoadedModules> {
  const resolvers: object[] = [];
  const extensions: SchemaExtension[] = [];
  const localEntities: LocalEntity[] = [];
  const queues: WriteQueue[] = [];
  const sources: ConstructorParameters<typeof NodeResolver>[0][number][] = [];
  for (const domain of domains) {
    const loaded = domain.load(services);
    if (loaded.close) opened.defer(() => loaded.close?.());
    await loaded.ready?.();
    resolvers.push(...loaded.resolvers);
    extensions.push(...(loaded.extensions ?? []));
    if (loaded.localEntity) localEntities.push(loaded.localEntity);
    if (loaded.queue) queues.push(loaded.queue);
    sources.push({ ...domain, nodes: loaded.nodes ?? {} });
  }
  resolvers.push(new NodeResolver(sources, services.baseSchema));
  return { resolvers, extensions, localEntities, queues };
}
