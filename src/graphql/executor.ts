import type { GatewayExecutor, GatewayInterface } from '@apollo/server-gateway-interface';
import { execute, GraphQLError, type ExecutionResult, type GraphQLSchema } from 'graphql';
import { compileQuery, isCompiledQuery, type CompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';

export type ExecutorKind = 'jit' | 'graphql-js';

/** Compiled operations kept; the least recently used goes. */
const maxCompiledOperations = 500;

/**
 * How Apollo Server executes operations: compiled by graphql-jit once per document and operation name, or by
 * graphql-js, the reference. Apollo's `gateway` option is its way to hand execution over.
 */
export function createExecutor(schema: GraphQLSchema, kind: ExecutorKind): GatewayInterface {
  const executor = kind === 'jit' ? jitExecutor(schema) : referenceExecutor(schema);
  return {
    onSchemaLoadOrUpdate(callback) {
      callback({ apiSchema: schema, coreSupergraphSdl: '' });
      return () => undefined;
    },
    load: () => Promise.resolve({ executor }),
    stop: () => Promise.resolve(),
  };
}

function referenceExecutor(schema: GraphQLSchema): GatewayExecutor {
  return async ({ document, operationName, context, request }) =>
    execute({ schema, document, operationName, contextValue: context, variableValues: request.variables });
}

function jitExecutor(schema: GraphQLSchema): GatewayExecutor {
  const operations = new LRUCache<string, CompiledQuery>({ max: maxCompiledOperations });
  return async ({ queryHash, document, operationName, context, request }) => {
    const key = `${queryHash}:${operationName ?? ''}`;
    let operation = operations.get(key);
    if (!operation) {
      const compiled = compileQuery(schema, document, operationName ?? undefined);
      if (!isCompiledQuery(compiled)) return withExtensions(compiled);
      operation = compiled;
      operations.set(key, operation);
    }
    return withExtensions(await operation.query(undefined, context, request.variables ?? {}));
  };
}

/** Apollo Server reads `extensions` of every error, which graphql-jit leaves out; its errors of variables carry no code. */
function withExtensions(result: ExecutionResult): ExecutionResult {
  if (!result.errors) return result;
  const extensions = result.data === undefined ? { code: 'BAD_USER_INPUT' } : {};
  return {
    ...result,
    errors: result.errors.map((error) => {
      if (error.extensions as unknown) return error;
      const { message, nodes, source, positions, path, originalError } = error;
      const known = (originalError as { extensions?: Record<string, unknown> } | undefined)?.extensions;
      const at = { nodes: nodes ?? null, source: source ?? null, positions: positions ?? null, path: path ?? null };
      return new GraphQLError(message, { ...at, originalError: originalError ?? null, extensions: known ?? extensions });
    }),
  };
}
