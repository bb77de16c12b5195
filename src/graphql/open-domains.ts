import type { Domain, LocalEntity, Parts, SchemaExtension } from './domain.js';
import { NodeResolver } from './node.js';

/** What the domains have handed over, all together. */
export interface OpenDomains {
  resolvers: object[];
  extensions: SchemaExtension[];
  localEntities: LocalEntity[];
}

/** Opens the domains in their order; `opened` closes them again. */
export async function openDomains(domains: readonly Domain[], parts: Parts, opened: AsyncDisposableStack): Promise<OpenDomains> {
  const resolvers: object[] = [];
  const extensions: SchemaExtension[] = [];
  const localEntities: LocalEntity[] = [];
  const sources: ConstructorParameters<typeof NodeResolver>[0][number][] = [];
  for (const domain of domains) {
    const open = domain.open(parts);
    if (open.close) opened.defer(() => open.close?.());
    await open.ready?.();
    resolvers.push(...open.resolvers);
    if (open.extension) extensions.push(open.extension);
    if (open.localEntity) localEntities.push(open.localEntity);
    sources.push({ ...domain, nodes: open.nodes ?? {} });
  }
  resolvers.push(new NodeResolver(sources, parts.baseSchema));
  return { resolvers, extensions, localEntities };
}
