/* Stands in for graphql-js's module `execution` in its own tests, see run.ts. */
import { createRequire } from 'node:module';
import type { ExecutionArgs, ExecutionResult } from 'graphql';
import type { CompiledOperation } from '../../src/graphql/execution/compile-operation.ts';

const require = createRequire(import.meta.url);
const original = require('graphql/execution') as typeof import('graphql/execution/index.js');
// eslint-disable-next-line @typescript-eslint/no-deprecated -- the tests of graphql-js 16 import it
const { assertValidExecutionArguments } =
  require('graphql/execution/execute.js') as typeof import('graphql/execution/execute.js');
const { compileOperation } =
  require('../../dist/graphql/execution/compile-operation.js') as typeof import('../../src/graphql/execution/compile-operation.ts');

const counts = { compiled: 0, interpreted: 0 };
process.on('exit', () =>
  process.stdout.write(`Operations compiled: ${counts.compiled}; executed by graphql-js: ${counts.interpreted}\n`),
);

export { assertValidExecutionArguments };
// Not `export *`: `require` would return what a module exports as `module.exports`.
export const {
  createSourceEventStream,
  defaultFieldResolver,
  defaultTypeResolver,
  getArgumentValues,
  getDirectiveValues,
  getVariableValues,
  responsePathAsArray,
  subscribe,
} = original;

export function execute(args: ExecutionArgs): ExecutionResult | Promise<ExecutionResult> {
  const { schema, document, variableValues, operationName, fieldResolver, typeResolver } = args;
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- as graphql-js 16 does
  assertValidExecutionArguments(schema, document, variableValues);
  // The gateway passes no default resolvers.
  const operation = fieldResolver || typeResolver ? null : compileOperation(schema, document, operationName);
  counts[operation ? 'compiled' : 'interpreted'] += 1;
  return operation ? executeCompiled(operation, args) : original.execute(args);
}

function executeCompiled(
  operation: CompiledOperation,
  args: ExecutionArgs,
): ExecutionResult | Promise<ExecutionResult> {
  const { schema, variableValues, contextValue, rootValue, options, hideSuggestions } = args;
  const { coerced, errors } = original.getVariableValues(
    schema,
    operation.operation.variableDefinitions ?? [],
    variableValues ?? {},
    { maxErrors: options?.maxCoercionErrors ?? 50, hideSuggestions: hideSuggestions ?? false },
  );
  if (!coerced) return { errors };
  const result = operation.execute({ contextValue, rootValue, variableValues: coerced });
  return result instanceof Promise ? result.then(resultOf) : resultOf(result);
}

const resultOf = ({ text, errors }: { text: string; errors?: ExecutionResult['errors'] }): ExecutionResult => {
  const data = JSON.parse(text) as Record<string, unknown> | null;
  return errors ? { errors, data } : { data };
};

export function executeSync(args: ExecutionArgs): ExecutionResult {
  const result = execute(args);
  if (result instanceof Promise) throw new Error('GraphQL execution failed to complete synchronously.');
  return result;
}
