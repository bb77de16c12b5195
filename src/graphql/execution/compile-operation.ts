import {
  Kind,
  OperationTypeNode,
  type DirectiveNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { ownValue } from '../../errors/own-value.js';
import { compileRoot } from './compile-selection.js';
import { compileVariables, type VariableCoercion } from './compile-variables.js';
import { nullText, type SelectionWriter } from './plan.js';
import { isPromise } from './promises.js';
import { Run, type ExecutionInput, type OperationParts } from './run.js';

/** The result of an execution. */
interface ExecutionText {
  /** The data as JSON. */
  text: string;
  /** In the order in which they occurred; absent without errors. */
  errors?: readonly GraphQLError[];
  /** The number of errors beyond `maxErrors`. */
  omittedErrors?: number;
}

/** An operation that is executed without interpreting its document again. */
export interface CompiledOperation {
  readonly operation: OperationDefinitionNode;
  /** Coerces its variables. */
  coerce: VariableCoercion;
  /** Executes it. Returns a promise only if a resolver returned one, or if the response is large; it never rejects. */
  execute: (input: ExecutionInput) => ExecutionText | Promise<ExecutionText>;
}

/** Variables of `@skip` and `@include` for which plans are compiled, one for each combination of their values. */
const maxConditions = 4;

/** Plans per operation. The oldest one is dropped. */
const maxPlans = 16;

/**
 * Compiles an operation to closures that write its result as JSON text, with the result and errors of graphql-js. No code is generated: the
 * text of a document never becomes code.
 * @returns null if graphql-js must execute the operation
 */
export function compileOperation(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName?: string | null,
): CompiledOperation | null {
  const operation = operationOf(document, operationName ?? null);
  const rootType = operation && schema.getRootType(operation.operation);
  if (!operation || !rootType) return null;
  const parts: OperationParts = { operation, fragments: fragmentsOf(document) };
  const conditions = conditionsOf(parts);
  if (!conditions || conditions.length > maxConditions) return null;
  const plans = new Map<string, SelectionWriter>();
  const planOf = (variables: Record<string, unknown>): SelectionWriter => {
    const values = conditions.map((name) => ownValue(variables, name));
    const key = values.map(String).join();
    const known = plans.get(key);
    if (known) return known;
    // Without the other variables, which a plan would hold in memory.
    const decisive = Object.fromEntries(
      conditions.flatMap((name, index) => (values[index] === undefined ? [] : [[name, values[index]]])),
    );
    const plan = compileRoot(schema, parts, rootType, decisive);
    if (plans.size >= maxPlans) plans.delete(plans.keys().next().value ?? '');
    plans.set(key, plan);
    return plan;
  };
  const isSerial = operation.operation === OperationTypeNode.MUTATION;
  return {
    operation,
    coerce: compileVariables(schema, operation),
    execute(input) {
      const run = new Run(parts, input);
      const failed = (error: unknown): ExecutionText => {
        run.errors.addOfRoot(error);
        return resultOf(run, nullText);
      };
      try {
        const plan = planOf(run.variableValues);
        const written = isSerial ? plan.writeSerially(run, run.rootValue) : plan.write(run, run.rootValue, undefined);
        return isPromise(written) ? written.then((text) => resultOf(run, text), failed) : resultOf(run, written);
      } catch (error) {
        return failed(error);
      }
    },
  };
}

function resultOf({ errors: { located, omitted } }: Run, text: string): ExecutionText {
  return located.length === 0 && omitted === 0 ? { text } : { text, errors: located, omittedErrors: omitted };
}

/** The operation to execute; null if graphql-js reports that there is none, or several. */
function operationOf(document: DocumentNode, name: string | null): OperationDefinitionNode | null {
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  if (name === null) return operations.length === 1 ? (operations[0] ?? null) : null;
  return operations.findLast((operation) => operation.name?.value === name) ?? null;
}

function fragmentsOf(document: DocumentNode): Record<string, FragmentDefinitionNode> {
  const definitions = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  const fragments = Object.fromEntries(definitions.map((definition) => [definition.name.value, definition]));
  // graphql-js reads it by the names of a document.
  return Object.setPrototypeOf(fragments, null) as typeof fragments;
}

/** The variables that decide what is selected; null if another directive than `@skip` and `@include` might. */
function conditionsOf({ operation, fragments }: OperationParts): string[] | null {
  const directives: DirectiveNode[] = [];
  const visited = new Set<string>();
  const addSelections = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      directives.push(...(selection.directives ?? []));
      if (selection.kind !== Kind.FRAGMENT_SPREAD) {
        if (selection.selectionSet) addSelections(selection.selectionSet);
        continue;
      }
      const fragment = ownValue(fragments, selection.name.value);
      if (!fragment || visited.has(selection.name.value)) continue;
      visited.add(selection.name.value);
      addSelections(fragment.selectionSet);
    }
  };
  addSelections(operation.selectionSet);
  if (directives.some(({ name }) => name.value !== 'skip' && name.value !== 'include')) return null;
  const values = directives.flatMap(({ arguments: given = [] }) => given.map(({ value }) => value));
  const variables = values.filter((value) => value.kind === Kind.VARIABLE);
  return [...new Set(variables.map(({ name }) => name.value))];
}
