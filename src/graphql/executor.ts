import type { GatewayExecutor, GatewayInterface } from '@apollo/server-gateway-interface';
import {
  execute,
  getOperationAST,
  GraphQLError,
  isEnumType,
  isNonNullType,
  isSpecifiedScalarType,
  Kind,
  OperationTypeNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
  type ASTNode,
  type ASTVisitor,
  type DocumentNode,
  type ExecutionResult,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type TypeNode,
  type VariableDefinitionNode,
} from 'graphql';
import { compileQuery, isCompiledQuery, type CompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';
import type { SchemaSource } from './schema.js';

export type ExecutorKind = 'jit' | 'graphql-js';

/** Compiled operations kept; the least recently used goes. */
const maxCompiledOperations = 500;

/**
 * How Apollo Server executes operations: by graphql-js, or, where that is safe, compiled by graphql-jit once per schema,
 * document and operation name. Apollo's `gateway` option is its way to hand execution over, and to change the schema
 * while serving: each operation is executed on the schema that it was validated with.
 */
export function createExecutor(source: SchemaSource, kind: ExecutorKind): GatewayInterface {
  const executor = kind === 'jit' ? jitExecutor() : referenceExecutor;
  return {
    onSchemaLoadOrUpdate(callback) {
      const hand = (schema: GraphQLSchema): void => callback({ apiSchema: schema, coreSupergraphSdl: '' });
      hand(source.current);
      return source.onChange(hand);
    },
    load: () => Promise.resolve({ executor }),
    stop: () => Promise.resolve(),
  };
}

// The name as it was asked for: Apollo Server's own `operationName` is null where the document has none of that name.
const referenceExecutor: GatewayExecutor = async ({ schema, document, context, request: { operationName, variables } }) =>
  execute({ schema, document, operationName, contextValue: context, variableValues: variables });

type CompiledOperations = LRUCache<string, { query: CompiledQuery['query'] | null }>;

/** Compiles what graphql-jit executes just as graphql-js does, and leaves the rest to graphql-js. */
function jitExecutor(): GatewayExecutor {
  // What was compiled for a schema goes with it.
  const compiled = new WeakMap<GraphQLSchema, CompiledOperations>();
  const operationsOf = (schema: GraphQLSchema): CompiledOperations => {
    const operations: CompiledOperations = compiled.get(schema) ?? new LRUCache({ max: maxCompiledOperations });
    compiled.set(schema, operations);
    return operations;
  };
  return async (call) => {
    const { schema, queryHash, document, operationName, context, request } = call;
    const operations = operationsOf(schema);
    const key = `${queryHash}:${operationName ?? ''}`;
    let operation = operations.get(key);
    if (!operation) {
      operation = { query: compile(schema, document, operationName) };
      operations.set(key, operation);
    }
    if (!operation.query) return referenceExecutor(call);
    const result = await operation.query(undefined, context, request.variables ?? {});
    // Refused before anything was executed: graphql-jit is stricter with variables at times, and words it in its own way.
    return 'data' in result ? withExtensions(result) : referenceExecutor(call);
  };
}

function compile(schema: GraphQLSchema, document: DocumentNode, operationName: string | null): CompiledQuery['query'] | null {
  const operation = getOperationAST(document, operationName);
  if (!operation || !isSafeToCompile(schema, document, operation)) return null;
  const compiled = compileQuery(schema, document, operationName ?? undefined);
  return isCompiledQuery(compiled) ? compiled.query : null;
}

/**
 * Whether graphql-jit 0.8 is known to give graphql-js's answer. It does not for
 * - mutations: after one that failed it goes on with the next, where graphql-js stops and nothing more is changed;
 * - @skip and @include: it notes the conditions on the document's own nodes, so that those of one spread of a fragment,
 *   or of another operation of the document, hold for all, and a second spread beside the first is lost;
 * - variables in the literal of a scalar such as JSONObject, or where null may meet a type that is not;
 * - default values of custom scalars, which reach the resolver as text;
 * - names that begin with "__": an alias `__proto__` sets a prototype.
 *
 * And it writes literals into the code that it generates, where a text that begins with one of its own markers becomes
 * code itself: whoever may send a document could run anything in this process. So no text of a document is compiled;
 * what is left, names and numbers, has no letters to write code with. Clients that want speed send variables.
 */
function isSafeToCompile(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode): boolean {
  if (operation.operation !== OperationTypeNode.QUERY) return false;
  const nullable = new Set<string>();
  const types = new TypeInfo(schema);
  let isSafe = true;
  const refuseIf = (isUnsafe: boolean): void => {
    if (isUnsafe) isSafe = false;
  };
  const checks: ASTVisitor = {
    Directive: () => refuseIf(true),
    Name: ({ value }) => refuseIf(value.startsWith('__') && value !== '__typename'),
    StringValue: () => refuseIf(true),
    EnumValue: ({ value }) => refuseIf(value.startsWith('__')),
    VariableDefinition(definition) {
      if (definition.type.kind !== Kind.NON_NULL_TYPE) nullable.add(definition.variable.name.value);
      refuseIf(hasOddDefault(schema, definition));
    },
    Variable(variable, _key, parent) {
      if (isNode(parent) && parent.kind === Kind.VARIABLE_DEFINITION) return;
      const type = types.getInputType();
      const isItem = !isNode(parent);
      refuseIf(isItem || !type || (isNonNullType(type) && nullable.has(variable.name.value)));
    },
  };
  visit(document, visitWithTypeInfo(types, checks));
  return isSafe;
}

const isNode = (parent: ASTNode | readonly ASTNode[] | undefined): parent is ASTNode => parent !== undefined && 'kind' in parent;

function hasOddDefault(schema: GraphQLSchema, { defaultValue, type }: VariableDefinitionNode): boolean {
  if (!defaultValue) return false;
  const named = schema.getType(typeName(type));
  return !named || !(isSpecifiedScalarType(named) || isEnumType(named));
}

const typeName = (node: TypeNode): string => (node.kind === Kind.NAMED_TYPE ? node.name.value : typeName(node.type));

/** Apollo Server reads `extensions` of every error, which graphql-jit leaves out, and locations, which it gives without a source. */
function withExtensions(result: ExecutionResult): ExecutionResult {
  if (!result.errors) return result;
  return { ...result, errors: result.errors.map(asGraphQLError) };
}

function asGraphQLError({ message, locations, path, originalError }: GraphQLError): GraphQLError {
  const known = (originalError as { extensions?: Record<string, unknown> } | undefined)?.extensions;
  const error = new GraphQLError(message, { path: path ?? null, originalError: originalError ?? null, extensions: known ?? {} });
  return Object.defineProperty(error, 'locations', { value: locations, enumerable: true });
}
