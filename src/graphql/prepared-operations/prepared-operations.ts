import type { ApolloServerPlugin, GraphQLRequestContextDidResolveOperation } from '@apollo/server';
import { OperationTypeNode, type DocumentNode, type GraphQLSchema, type OperationDefinitionNode } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Context } from '../context/context.js';
import type { SchemaSource } from '../schema/build-schema.js';

/**
 * A query or mutation whose document was parsed and validated. What else depends only on schema, document and operation (its plan, the
 * measure of its size, its cache policy) is computed once for this `operation` node.
 */
export interface PreparedOperation {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  /** SHA-256 of the text. */
  readonly hash: string;
}

/** Bounds the prepared operations, by number and by characters of their texts. */
const cacheLimits = {
  max: 1_000,
  maxSize: 4_000_000,
  sizeCalculation: (_operation: PreparedOperation, key: string) => key.length,
};

/** Remembers the operations that Apollo Server has validated, until the schema changes. */
export class PreparedOperations {
  readonly #known = new LRUCache<string, PreparedOperation>(cacheLimits);
  readonly #schema: SchemaSource;

  constructor(schema: SchemaSource) {
    this.#schema = schema;
    schema.onChange(() => this.#known.clear());
  }

  /** Finds the operation of a text that was validated with the current schema; null if there is none. */
  find(text: string, operationName: string | null): PreparedOperation | null {
    const found = this.#known.get(keyOf(text, operationName));
    // An operation that was in flight when the schema changed was validated with the previous one.
    return found?.schema === this.#schema.current ? found : null;
  }

  /** For Apollo Server: remembers each operation once its document is valid. */
  readonly plugin: ApolloServerPlugin<Context> = {
    requestDidStart: () =>
      Promise.resolve({
        didResolveOperation: (request) => {
          this.#remember(request);
          return Promise.resolve();
        },
      }),
  };

  #remember({ schema, document, operation, queryHash: hash, source, request: { operationName } }: ValidRequest): void {
    if (operation && operation.operation !== OperationTypeNode.SUBSCRIPTION)
      this.#known.set(keyOf(source, operationName ?? null), { schema, document, operation, hash });
  }
}

/** Apollo's type always has an operation; it is absent if the document has none of the requested name. */
type ValidRequest = Omit<GraphQLRequestContextDidResolveOperation<Context>, 'operation'> & {
  operation?: OperationDefinitionNode | undefined;
};

/** Unambiguous: without the length, a name and a text could equal those of another operation. */
const keyOf = (text: string, operationName: string | null): string =>
  `${operationName?.length ?? '-'} ${operationName ?? ''}${text}`;
