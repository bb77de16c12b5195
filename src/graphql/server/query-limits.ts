import { limitError, type DocumentLimits } from './document-limits.js';
import { assertMayIntrospect } from './introspection.js';
import { measure, type ModelCosts, type OperationSize } from './operation-size.js';
import type { Stage } from './stages/stage.js';

/** Maximum sizes of an operation. */
export interface QueryLimits extends DocumentLimits {
  tokens: number;
  /** Objects in the response. */
  cost: number;
}

/** Rejects operations over the limit of cost, and introspection if it is closed, before execution. */
export function queryLimits(limits: QueryLimits, isIntrospectionOpen: boolean, models: ModelCosts): Stage {
  return {
    begin: () => ({
      admit: ({ schema, document, operation, request, contextValue }) => {
        if (!document || !operation) return;
        const size = measure(schema, document, operation, request.variables ?? {}, models);
        if (size.introspects && !isIntrospectionOpen) assertMayIntrospect(contextValue.viewer);
        assertWithinCost(size, limits);
      },
    }),
  };
}

/** @throws GraphQLError if the operation costs too much */
export function assertWithinCost({ cost }: OperationSize, limits: QueryLimits): void {
  if (cost > limits.cost) throw limitError('cost', cost, limits.cost);
}
