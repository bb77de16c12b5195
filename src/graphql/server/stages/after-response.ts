import { OperationTypeNode, type OperationDefinitionNode } from 'graphql';
import { entitiesChangedBy } from '../../caching/cache-policy.js';
import type { Context } from '../../context/context.js';
import type { Stage } from './stage.js';

/** A cache of responses or rows, by the entities that they contain. */
export interface EntityCache {
  /** Removes what contains one of the entities; resolves once no process that shares the cache can read it. */
  invalidate(entities: readonly string[]): Promise<void>;
}

/**
 * Completes each operation, whether it succeeded or not, before its response is sent: first invalidates what a mutation may
 * have changed in every cache, then runs the tasks of `context.onResponse`, such as publishing events. A subscriber that reads
 * again upon an event therefore gets no older cached response. A failed invalidation is logged and does not stop the tasks.
 */
export const afterResponse = (caches: readonly EntityCache[]): Stage => ({
  begin: () => ({
    respond: (request) => {
      // A mutation reads current rows.
      if (isMutation(request)) request.contextValue.bypassQueryCache();
      return null;
    },
    complete: ({ schema, document, operation, response: { body }, contextValue }) => {
      // A response without `data` is a request error (GraphQL, 7.1).
      const isExecuted = body?.kind !== 'single' || 'data' in body.singleResult;
      const entities = document && operation ? entitiesChangedBy(schema, document, operation) : [];
      const runTasks = (): void => contextValue.runResponseTasks({ isExecuted });
      if (entities.length > 0) return invalidateAll(caches, entities, contextValue).then(runTasks);
      runTasks();
    },
  }),
});

async function invalidateAll(
  caches: readonly EntityCache[],
  entities: readonly string[],
  { log }: Context,
): Promise<void> {
  const invalidations = await Promise.allSettled(caches.map(async (cache) => cache.invalidate(entities)));
  for (const invalidation of invalidations) {
    if (invalidation.status === 'rejected')
      log.error({ err: invalidation.reason as unknown, entities }, 'cache invalidation failed');
  }
}

/** Apollo's types always have an operation; it is absent if the document has none of the requested name. */
export const isMutation = ({ operation }: { operation?: OperationDefinitionNode | undefined }): boolean =>
  operation?.operation === OperationTypeNode.MUTATION;
