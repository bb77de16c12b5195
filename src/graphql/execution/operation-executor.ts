import {
  execute,
  getOperationAST,
  getVariableValues,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { limitErrors, maxErrors } from '../errors/limit-errors.js';
import { executionOptions, variableError } from '../errors/variable-errors.js';
import { compileOperation, type CompiledOperation } from './compile-operation.js';
import { textData } from './text-data.js';

/** The arguments of graphql-js that the executor uses. */
export type OperationArgs = Pick<
  ExecutionArgs,
  'schema' | 'document' | 'operationName' | 'contextValue' | 'variableValues' | 'rootValue'
>;

/** The values of variables. */
export type CoercedVariables =
  | { errors: readonly GraphQLError[] }
  /** Null if graphql-js coerces them, since it executes the operation. */
  | { coerced: Record<string, unknown> | null };

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

  /**
   * Executes an operation of a valid document.
   * @param variables its coerced variables, if the caller has them
   * @returns `TextData`, or data as graphql-js returns it, with at most `maxErrors` errors
   */
  async execute(args: OperationArgs, variables = this.coerce(args)): Promise<ExecutionResult> {
    if ('errors' in variables) return { errors: limitErrors(variables.errors) };
    const operation = this.compiled(args);
    if (!operation || !variables.coerced) {
      const result = await execute({ ...args, ...this.#options });
      return result.errors ? { ...result, errors: limitErrors(result.errors) } : result;
    }
    const { contextValue, rootValue } = args;
    const { text, errors, omittedErrors } = await operation.execute({
      contextValue,
      rootValue,
      variableValues: variables.coerced,
      maxErrors,
    });
    return errors ? { errors: limitErrors(errors, omittedErrors), data: textData(text) } : { data: textData(text) };
  }

  /** Checks and coerces the variables of an operation. */
  coerce(args: Omit<OperationArgs, 'contextValue' | 'rootValue'>): CoercedVariables {
    const { schema, document, operationName } = args;
    const sent = args.variableValues ?? {};
    const operation = this.compiled(args);
    const coerced = operation?.coerce(sent);
    if (coerced) return { coerced };
    const { hideSuggestions, options } = this.#options;
    const node = getOperationAST(document, operationName) ?? undefined;
    const invalid = variableError(schema, node, sent, { hidesSuggestions: hideSuggestions });
    if (invalid) return { errors: [invalid] };
    if (!operation) return { coerced: null };
    const definitions = operation.operation.variableDefinitions ?? [];
    const values = getVariableValues(schema, definitions, sent, {
      hideSuggestions,
      maxErrors: options.maxCoercionErrors,
    });
    return values.errors ? { errors: values.errors } : { coerced: values.coerced };
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
