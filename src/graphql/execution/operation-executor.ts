import {
  execute,
  getOperationAST,
  getVariableValues,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { limitErrors, maxErrors } from '../errors/limit-errors.js';
import { executionOptions } from '../errors/variable-errors.js';
import { compileOperation, type CompiledOperation } from './compile-operation.js';
import { textData } from './text-data.js';

/** The arguments of graphql-js that the executor uses. */
export type OperationArgs = Pick<
  ExecutionArgs,
  'schema' | 'document' | 'operationName' | 'contextValue' | 'variableValues' | 'rootValue'
>;

interface Compiled {
  schema: GraphQLSchema;
  /** Null if graphql-js executes the operation. */
  operation: CompiledOperation | null;
}

/** Executes queries, mutations and events of subscriptions; compiles each operation once, as long as its document is cached. */
export class OperationExecutor {
  readonly #options: ReturnType<typeof executionOptions>;
  readonly #compiled = new WeakMap<OperationDefinitionNode, Compiled>();

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
    // graphql-js reports that there is none, or several.
    const operation = getOperationAST(document, operationName);
    if (!operation) return null;
    let compiled = this.#compiled.get(operation);
    if (compiled?.schema !== schema) {
      compiled = { schema, operation: compileOperation(schema, document, operationName) };
      this.#compiled.set(operation, compiled);
    }
    return compiled.operation;
  }
}
