import {
  getOperationAST,
  GraphQLError,
  parse,
  type DocumentNode,
  type ExecutionArgs,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Viewer } from '../../auth/viewer.js';
import { BadUserInput } from '../../errors/app-error.js';
import { executionOptions, variableError } from '../errors/variable-errors.js';
import type { SentOperation } from '../../persisted-documents/sent-operation.js';
import { assertMayIntrospect } from '../server/introspection.js';
import { measure } from '../server/operation-size.js';
import { assertWithinCost, type QueryLimits } from '../server/query-limits.js';
import { validateDocument } from '../server/validation.js';

/** Several errors of one operation. */
export class OperationErrors extends Error {
  constructor(readonly errors: readonly GraphQLError[]) {
    super('The operation has errors.');
  }
}

/** Bounds the cache of validated documents, by their text. */
const cacheLimits = {
  max: 500,
  maxSize: 4_000_000,
  sizeCalculation: (_document: DocumentNode, query: string) => query.length,
};

/** A subscription that is ready to be executed. */
export interface PreparedSubscription {
  args: ExecutionArgs;
  operation: OperationDefinitionNode;
}

/**
 * Parses, validates and limits subscriptions as Apollo Server does with queries. Caches validated documents per schema, for
 * clients that reconnect all at once.
 */
export class SubscriptionPreparation {
  readonly #options: { limits: QueryLimits; isIntrospectionOpen: boolean };
  readonly #documents = new WeakMap<GraphQLSchema, LRUCache<string, DocumentNode>>();

  constructor(options: { limits: QueryLimits; isIntrospectionOpen: boolean }) {
    this.#options = options;
  }

  /** @throws GraphQLError, OperationErrors, BadUserInput */
  prepare(
    { query, operationName, variables }: SentOperation,
    schema: GraphQLSchema,
    viewer: Viewer,
  ): PreparedSubscription {
    if (typeof query !== 'string' || query === '')
      throw new BadUserInput('Send the subscription as the string `query`.');
    if (operationName != null && typeof operationName !== 'string')
      throw new BadUserInput('operationName must be a string.');
    if (variables != null && (typeof variables !== 'object' || Array.isArray(variables)))
      throw new BadUserInput('variables must be an object.');
    const variableValues = (variables ?? {}) as Record<string, unknown>;
    const document = this.#validated(schema, query);
    const operation = operationOf(document, operationName);
    const size = measure(schema, document, operation, variableValues);
    if (size.introspects && !this.#options.isIntrospectionOpen) assertMayIntrospect(viewer);
    assertWithinCost(size, this.#options.limits);
    const hidesSuggestions = !this.#options.isIntrospectionOpen;
    const invalid = variableError(schema, operation, variableValues, { hidesSuggestions });
    if (invalid) throw invalid;
    const args = { schema, document, operationName: operationName ?? null, variableValues };
    return { args: { ...args, ...executionOptions(hidesSuggestions) }, operation };
  }

  #validated(schema: GraphQLSchema, query: string): DocumentNode {
    const documents: LRUCache<string, DocumentNode> = this.#documents.get(schema) ?? new LRUCache(cacheLimits);
    this.#documents.set(schema, documents);
    const cached = documents.get(query);
    if (cached) return cached;
    const { limits, isIntrospectionOpen } = this.#options;
    const document = parsed(query, limits.tokens);
    const errors = validateDocument(schema, document, { limits, hidesSuggestions: !isIntrospectionOpen });
    if (errors.length > 0)
      throw new OperationErrors(errors.map((error) => withCode(error, 'GRAPHQL_VALIDATION_FAILED')));
    documents.set(query, document);
    return document;
  }
}

function operationOf(document: DocumentNode, name: string | null | undefined): OperationDefinitionNode {
  const operation = getOperationAST(document, name);
  if (operation) return operation;
  const message =
    name == null
      ? 'The document has several operations; name one of them by operationName.'
      : 'The document has no operation of this name.';
  throw withCode(new GraphQLError(message), 'OPERATION_RESOLUTION_FAILURE');
}

function parsed(query: string, maxTokens: number): DocumentNode {
  try {
    return parse(query, { maxTokens });
  } catch (error) {
    throw error instanceof GraphQLError ? withCode(error, 'GRAPHQL_PARSE_FAILED') : error;
  }
}

/** Adds a code, which errors of graphql-js lack. */
function withCode(
  { message, nodes, source, positions, path, originalError, extensions }: GraphQLError,
  code: string,
): GraphQLError {
  const at = { nodes: nodes ?? null, source: source ?? null, positions: positions ?? null, path: path ?? null };
  return new GraphQLError(message, {
    ...at,
    originalError: originalError ?? null,
    extensions: { code, ...extensions },
  });
}
