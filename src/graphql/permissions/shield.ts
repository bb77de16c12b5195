import { createRequire } from 'node:module';

/**
 * graphql-shield's ESM build imports `isUndefined`, which Node 23 removed from node:util; its CommonJS build loads.
 * graphql-middleware comes from the same module system, since it tests shield's result with instanceof.
 */
const require = createRequire(import.meta.url);
const nodeUtil = require('node:util') as { isUndefined?: (value: unknown) => boolean };
nodeUtil.isUndefined ??= (value) => value === undefined;

export const { allow, and, chain, deny, rule, shield } = require('graphql-shield') as typeof import('graphql-shield');
export const { applyMiddleware } = require('graphql-middleware') as typeof import('graphql-middleware');
