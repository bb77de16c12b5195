import {
  defaultTypeResolver,
  GraphQLError,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type GraphQLAbstractType,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
} from 'graphql';
import { inspect } from 'graphql/jsutils/inspect.js';
import { compileList } from './compile-list.js';
import { leafWriter } from './leaf-text.js';
import { nameOf, nullText, type Completion, type Planner, type SelectedField, type SelectionWriter } from './plan.js';
import { chained } from './promises.js';
import type { Path, Run, Written } from './run.js';

/** Compiles what `completeValue` of graphql-js does with the values of a field. */
export function compileCompletion(planner: Planner, field: SelectedField, type: GraphQLOutputType): Completion {
  const nullable = isNonNullType(type) ? type.ofType : type;
  const complete = compileNullable(planner, field, nullable);
  const isNullable = nullable === type;
  return (run, value, path) => {
    if (value instanceof Error) throw value;
    if (value !== null && value !== undefined) return complete(run, value, path);
    if (isNullable) return nullText;
    throw new Error(`Cannot return null for non-nullable field ${nameOf(field)}.`);
  };
}

function compileNullable(planner: Planner, field: SelectedField, type: GraphQLOutputType): Completion {
  if (isListType(type)) {
    const complete = compileCompletion(planner, field, type.ofType);
    return compileList(field, type.ofType, complete);
  }
  if (isLeafType(type)) return compileLeaf(type);
  if (isAbstractType(type)) return compileAbstract(planner, field, type);
  if (isObjectType(type)) return compileObject(planner, field, type);
  throw new Error(`Cannot complete value of unexpected output type: ${inspect(type)}`);
}

function compileLeaf(type: GraphQLLeafType): Completion {
  const { write } = leafWriter(type);
  return (run, value) => {
    const text = write(value);
    run.spent += text.length;
    return text;
  };
}

function compileObject(planner: Planner, { nodes, infoOf }: SelectedField, type: GraphQLObjectType): Completion {
  // Compiled when an object is first completed: types may contain each other.
  let compiled: SelectionWriter | null = null;
  const selection = (): SelectionWriter => (compiled ??= planner.selectionOf(type, nodes));
  const { isTypeOf } = type;
  if (!isTypeOf) return (run, value, path) => selection().write(run, value, path);
  return (run, value, path) => {
    // Before `isTypeOf`, as in graphql-js: the selection may have an error, too.
    const { write } = selection();
    const writeIf = (isOfType: boolean): Written => {
      if (isOfType) return write(run, value, path);
      throw new GraphQLError(`Expected value of type "${type.name}" but got: ${inspect(value)}.`, { nodes });
    };
    return chained(isTypeOf(value, run.contextValue, infoOf(run, fieldPathOf(path))), writeIf);
  };
}

function compileAbstract(planner: Planner, field: SelectedField, type: GraphQLAbstractType): Completion {
  const { infoOf } = field;
  const resolveType = type.resolveType ?? defaultTypeResolver;
  const byType = new Map<GraphQLObjectType, Completion>();
  const completeAs = (name: unknown, run: Run, value: unknown, path: Path): Written => {
    const runtimeType = runtimeTypeOf(planner, field, type, name, value);
    let complete = byType.get(runtimeType);
    if (!complete) {
      complete = compileObject(planner, field, runtimeType);
      byType.set(runtimeType, complete);
    }
    return complete(run, value, path);
  };
  return (run, value, path) => {
    const name: unknown = resolveType(value, run.contextValue, infoOf(run, fieldPathOf(path)), type);
    return chained(name, (resolved) => completeAs(resolved, run, value, path));
  };
}

/** The path of the field that a value belongs to: the items of lists have numbers. */
function fieldPathOf(path: Path): Path {
  let at = path;
  while (typeof at.key === 'number' && at.prev) at = at.prev;
  return at;
}

/** @throws GraphQLError in the words of graphql-js, unless it is a type that the abstract type has */
function runtimeTypeOf(
  { schema }: Planner,
  field: SelectedField,
  abstractType: GraphQLAbstractType,
  name: unknown,
  value: unknown,
): GraphQLObjectType {
  const { nodes } = field;
  const abstract = abstractType.name;
  if (name === null || name === undefined)
    throw new GraphQLError(
      `Abstract type "${abstract}" must resolve to an Object type at runtime for field "${nameOf(field)}". Either the "${abstract}" type should provide a "resolveType" function or each possible type should provide an "isTypeOf" function.`,
      { nodes },
    );
  if (isObjectType(name))
    throw new GraphQLError(
      'Support for returning GraphQLObjectType from resolveType was removed in graphql-js@16.0.0 please return type name instead.',
    );
  if (typeof name !== 'string')
    throw new GraphQLError(
      `Abstract type "${abstract}" must resolve to an Object type at runtime for field "${nameOf(field)}" with value ${inspect(value)}, received "${inspect(name)}".`,
    );
  const type = schema.getType(name);
  if (!type)
    throw new GraphQLError(
      `Abstract type "${abstract}" was resolved to a type "${name}" that does not exist inside the schema.`,
      { nodes },
    );
  if (!isObjectType(type))
    throw new GraphQLError(`Abstract type "${abstract}" was resolved to a non-object type "${name}".`, { nodes });
  if (!schema.isSubType(abstractType, type))
    throw new GraphQLError(`Runtime Object type "${type.name}" is not a possible type for "${abstract}".`, { nodes });
  return type;
}
