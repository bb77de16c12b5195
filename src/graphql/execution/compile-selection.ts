import {
  defaultFieldResolver,
  getArgumentValues,
  isLeafType,
  isNonNullType,
  isRequiredArgument,
  Kind,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { collectFields, collectSubfields } from 'graphql/execution/collectFields.js';
import { compileCompletion } from './compile-completion.js';
import { readerOf, type FieldReader } from './field-reader.js';
import { leafWriter, quoted } from './leaf-text.js';
import { failureOf, nullText, type Failure, type Planner, type SelectedField, type SelectionWriter } from './plan.js';
import { isPromise, joined } from './promises.js';
import type { OperationParts, Path, Run, Written } from './run.js';

/**
 * Compiles the root fields of an operation.
 * @param conditions the values of the variables that `@skip` and `@include` read
 */
export function compileRoot(
  schema: GraphQLSchema,
  { operation, fragments }: OperationParts,
  rootType: GraphQLObjectType,
  conditions: Record<string, unknown>,
): SelectionWriter {
  const planner: Planner = {
    schema,
    fragments,
    selectionOf: (type, nodes) =>
      compileSelection(planner, type, collectSubfields(schema, fragments, conditions, type, nodes)),
  };
  const fields = collectFields(schema, fragments, conditions, rootType, operation.selectionSet);
  return compileSelection(planner, rootType, fields);
}

type FieldWriter = (run: Run, source: unknown, path: Path | undefined) => Written;

/** Roughly the characters that a field's execution takes the time of. */
const charactersPerField = 16;

/** Valid documents have none. graphql-js omits it, but a mutation waits for the field before it. */
const unknownField = { head: '', write: (): string => '' };

/** Compiles the fields of an object type, by response name. */
function compileSelection(
  planner: Planner,
  parentType: GraphQLObjectType,
  selected: ReadonlyMap<string, readonly FieldNode[]>,
): SelectionWriter {
  const fields: { head: string; write: FieldWriter }[] = [];
  let isEmpty = true;
  for (const [key, nodes] of selected) {
    const definition = definitionOf(planner.schema, parentType, nodes[0]?.name.value ?? '');
    if (!definition) {
      fields.push(unknownField);
      continue;
    }
    const head = `${isEmpty ? '{' : ','}${quoted(key)}:`;
    isEmpty = false;
    const field = { parentType, definition, key, nodes };
    fields.push({ head, write: compileField(planner, { ...field, infoOf: infoOfField(planner.schema, field) }) });
  }
  if (isEmpty) return { write: () => '{}', writeSerially: () => '{}' };
  const weight = fields.length * charactersPerField;

  const write: SelectionWriter['write'] = (run, object, path) => {
    let text = '';
    let parts: Written[] | null = null;
    run.spent += weight;
    try {
      for (const field of fields) {
        const written = field.write(run, object, path);
        if (typeof written === 'string') text += field.head + written;
        else {
          (parts ??= []).push(text + field.head, written);
          text = '';
        }
      }
    } catch (error) {
      if (!parts) throw error;
      // As in graphql-js, an error of one field waits for the fields before it.
      return settled(parts).finally(() => {
        throw error;
      });
    }
    if (!parts) return `${text}}`;
    parts.push(`${text}}`);
    return settled(parts);
  };

  // The promises of `promiseReduce` in graphql-js: each field waits for the one before it.
  const writeSerially: SelectionWriter['writeSerially'] = (run, object) =>
    fields.reduce<Written>((before, field, index) => {
      const end = index === fields.length - 1 ? '}' : '';
      const writeNext = (text: string): Written => {
        const written = field.write(run, object, undefined);
        return typeof written === 'string'
          ? text + field.head + written + end
          : written.then((value) => text + field.head + value + end);
      };
      return typeof before === 'string' ? writeNext(before) : before.then(writeNext);
    }, '');
  return { write, writeSerially };
}

const same = (text: string): string => text;

/** Settles when the promise of an object does in graphql-js: one microtask after its fields. */
const settled = (parts: readonly Written[]): Promise<string> => joined(parts).then(same);

function definitionOf(
  schema: GraphQLSchema,
  parentType: GraphQLObjectType,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef;
  if (schema.getQueryType() === parentType) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
  }
  return parentType.getFields()[name];
}

function compileField(planner: Planner, field: SelectedField): FieldWriter {
  const { parentType, definition, key, nodes, infoOf } = field;
  const typename = parentType.name;
  if (definition === TypeNameMetaFieldDef) {
    const text = quoted(typename);
    return () => text;
  }
  const { type, resolve = defaultFieldResolver } = definition;
  const complete = compileCompletion(planner, field, type);
  const fail = failureOf(type, nodes);
  const argumentsOf = compileArguments(definition, nodes);

  /** Completes what a resolver returned. */
  const finish = (run: Run, result: unknown, path: Path): Written => {
    if (isPromise(result))
      return result
        .then((value) => complete(run, value, path))
        .then(undefined, (error: unknown) => fail(run, error, path));
    const written = complete(run, result, path);
    return typeof written === 'string' ? written : written.then(undefined, (error: unknown) => fail(run, error, path));
  };
  const resolved: FieldWriter = (run, object, parentPath) => {
    const path = { prev: parentPath, key, typename };
    try {
      return finish(run, resolve(object, argumentsOf(run), run.contextValue, infoOf(run, path)), path);
    } catch (error) {
      return fail(run, error, path);
    }
  };
  const reader = definition.args.length === 0 ? readerOf(resolve, definition.name) : null;
  if (!reader) return resolved;
  if (reader.kind === 'scalar') return compileScalarReader(field, reader, resolved);
  return compileReader(field, reader, { resolved, finish, fail });
}

/** Reads a scalar; everything else is resolved. */
function compileScalarReader(
  { definition: { type } }: SelectedField,
  { read }: FieldReader,
  resolved: FieldWriter,
): FieldWriter {
  const nullable = isNonNullType(type) ? type.ofType : type;
  const leaf = isLeafType(nullable) ? leafWriter(nullable) : null;
  if (!leaf?.isPlain) return resolved;
  const { isPlain, write } = leaf;
  return (run, object, parentPath) => {
    const value =
      typeof object === 'object' && object !== null
        ? read(object as Record<string, unknown>, run.contextValue)
        : undefined;
    return isPlain(value) ? write(value) : resolved(run, object, parentPath);
  };
}

interface FieldParts {
  resolved: FieldWriter;
  finish: (run: Run, result: unknown, path: Path) => Written;
  fail: Failure;
}

/** Reads a field without arguments and info, and without a path where the value is a leaf. */
function compileReader(
  { parentType, definition: { type }, key }: SelectedField,
  { read, kind }: FieldReader,
  { resolved, finish, fail }: FieldParts,
): FieldWriter {
  const typename = parentType.name;
  const nullable = isNonNullType(type) ? type.ofType : type;
  const isNullable = nullable === type;
  const leaf = isLeafType(nullable) ? leafWriter(nullable) : null;
  return (run, object, parentPath) => {
    if (typeof object !== 'object' || object === null) return resolved(run, object, parentPath);
    let path: Path | null = null;
    try {
      const value = read(object as Record<string, unknown>, run.contextValue);
      if (isNullable && (value === null || value === undefined)) return nullText;
      // A function is a resolver.
      if (kind === 'property' && typeof value === 'function') return resolved(run, object, parentPath);
      if (leaf && typeof value !== 'object' && value !== undefined) return leaf.write(value);
      path = { prev: parentPath, key, typename };
      return finish(run, value, path);
    } catch (error) {
      return fail(run, error, path ?? { prev: parentPath, key, typename });
    }
  };
}

function compileArguments(
  definition: GraphQLField<unknown, unknown>,
  [node]: readonly FieldNode[],
): (run: Run) => Record<string, unknown> {
  const { args } = definition;
  const sent = node?.arguments ?? [];
  const isEmpty =
    !node ||
    (sent.length === 0 &&
      args.every((argument) => argument.defaultValue === undefined && !isRequiredArgument(argument)));
  if (isEmpty) return () => ({});
  const isLiteral = sent.every(({ value: { kind } }) => !composedKinds.has(kind));
  let literals: Record<string, unknown> | null = null;
  return (run) => {
    if (literals) return { ...literals };
    const values = getArgumentValues(definition, node, run.variableValues);
    // A resolver may change an object.
    if (isLiteral && Object.values(values).every(isPrimitive)) literals = { ...values };
    return values;
  };
}

/** Values that differ between executions, or that contain others. */
const composedKinds: ReadonlySet<Kind> = new Set([Kind.VARIABLE, Kind.LIST, Kind.OBJECT]);

const isPrimitive = (value: unknown): boolean =>
  value === null || (typeof value !== 'object' && typeof value !== 'function');

const infoOfField =
  (schema: GraphQLSchema, { parentType, definition, nodes }: Omit<SelectedField, 'infoOf'>): SelectedField['infoOf'] =>
  (run, path) => ({
    fieldName: definition.name,
    fieldNodes: nodes,
    returnType: definition.type,
    parentType,
    path,
    schema,
    fragments: run.fragments,
    rootValue: run.rootValue,
    operation: run.operation,
    variableValues: run.variableValues,
  });
