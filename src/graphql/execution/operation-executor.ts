import {
  execute,
  getVariableValues,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLSchema,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { limitErrors, maxErrors } from '../errors/limit-errors.js';
import { executionOptions } from '../errors/variable-errors.js';
import { compileOperation, type CompiledOperation } from './compile-operation.js';
import { textData } from './text-data.js';

/** The arguments of graphql-js that the executor uses. */
export type OperationArgs = Pick<
  ExecutionArgs,
  'schema' | 'document' | 'operationName' | 'contextValue' | 'variableValues' | 'rootValue'
>;

/** Bounds the compiled operations of a schema, by number and by characters of their documents. */
const cacheLimits = {
  max: 1_000,
  maxSize: 4_000_000,
  sizeCalculation: (_compiled: Compiled, key: string) => key.length,
};

interface Compiled {
  /** Null if graphql-js executes the operation. */
  operation: CompiledOperation | null;
}

/** Executes queries, mutations and events of subscriptions; compiles each operation once per schema. */
export class OperationExecutor {
  readonly #options: ReturnType<typeof executionOptions>;
  readonly #compiled = new WeakMap<GraphQLSchema, LRUCache<string, Compiled>>();

  /** @param hidesSuggestions omits names of a schema that is closed to introspection */
  constructor({ hidesSuggestions }: { hidesSuggestions: boolean }) {
    this.#options = executionOptions(hidesSuggestions);
  }

  /** Executes an operation of a valid document. @returns `TextData`, or data as graphql-js returns it, with at most `maxErrors` errors */
  async execute(args: OperationArgs): Promise<ExecutionResult> {
    const operation = this.compiled(args);
    if (!operation) {
      const result = await execute({ ...args, ...this.#options });
      return result.errors ? { ...result, errors: limitErrors(result.errors) } : result;
    }
    const { schema, contextValue, rootValue, variableValues } = args;
    const { maxCoercionErrors } = this.#options.options;
    const variables = getVariableValues(schema, operation.operation.variableDefinitions ?? [], variableValues ?? {}, {
      maxErrors: maxCoercionErrors,
      hideSuggestions: this.#options.hideSuggestions,
    });
    if (variables.errors) return { errors: limitErrors(variables.errors) };
    const { text, errors, omittedErrors } = await operation.execute({
      contextValue,
      rootValue,
      variableValues: variables.coerced,
      maxErrors,
    });
    return errors ? { errors: limitErrors(errors, omittedErrors), data: textData(text) } : { data: textData(text) };
  }

  /** The compiled operation of a document; null if graphql-js executes it. */
  compiled({
    schema,
    document,
    operationName,
  }: Pick<OperationArgs, 'schema' | 'document' | 'operationName'>): CompiledOperation | null {
    const text = textOf(document);
    if (text === null) return null;
    let known = this.#compiled.get(schema);
    if (!known) this.#compiled.set(schema, (known = new LRUCache(cacheLimits)));
    const key = operationName == null ? text : `${operationName} ${text}`;
    let compiled = known.get(key);
    if (!compiled) {
      compiled = { operation: compileOperation(schema, document, operationName) };
      known.set(key, compiled);
    }
    return compiled.operation;
  }
}

/** The text that a document was parsed from; null if its parser kept none. */
const textOf = ({ loc }: DocumentNode): string | null => loc?.source.body ?? null;
