import type { Domain, LocalEntity, Parts, SchemaExtension, WriteQueue } from './domain.js';
import { NodeResolver } from './node.js';

/** What the domains have handed over, all together. */
export interface OpenDomains {
  resolvers: object[];
  extensions: SchemaExtension[];
  localEntities: LocalEntity[];
  queues: WriteQueue[];
}

/** Opens the domains in their order; `opened` closes them again. */
export async function openDomains(domains: readonly Domain[], parts: Parts, opened: AsyncDisposableStack): Promise<OpenDomains> {
  const resolvers: object[] = [];
  const extensions: SchemaExtension[] = [];
  const localEntities: LocalEntity[] = [];
  const queues: WriteQueue[] = [];
  const sources: ConstructorParameters<typeof NodeResolver>[0][number][] = [];
  for (const domain of domains) {
    const open = domain.open(parts);
    if (open.close) opened.defer(() => open.close?.());
    await open.ready?.();
    resolvers.push(...open.resolvers);
    if (open.extension) extensions.push(open.extension);
    if (open.localEntity) localEntities.push(open.localEntity);
    if (open.queue) queues.push(open.queue);
    sources.push({ ...domain, nodes: open.nodes ?? {} });
  }
  resolvers.push(new NodeResolver(sources, parts.baseSchema));
  return { resolvers, extensions, localEntities, queues };
}
