import { measure, type ModelCosts } from '../operation-size.js';
import type { QueryLimits } from '../query-limits.js';
import type { Stage } from './stage.js';

/**
 * Adds `extensions.cost` to the responses of operations that are sent with `extensions: { cost: true }`: what the limit of cost
 * counts (`requested`, `maximum`), and that without what was cached (`actual`).
 */
export const costReport = ({ cost: maximum }: Pick<QueryLimits, 'cost'>, models: ModelCosts): Stage => ({
  begin: () => ({
    complete: ({ schema, document, operation, request, response, contextValue }) => {
      if (request.extensions?.cost !== true || !document || !operation || response.body?.kind !== 'single') return;
      const { cost: requested } = measure(schema, document, operation, request.variables ?? {}, models);
      // A cached response has computed nothing.
      const actual = response.http.headers.has('age') ? 0 : Math.max(0, requested - contextValue.cost.refunded);
      const { singleResult } = response.body;
      const extensions = { ...singleResult.extensions, cost: { requested, actual, maximum } };
      response.body = { kind: 'single', singleResult: { ...singleResult, extensions } };
    },
  }),
});
