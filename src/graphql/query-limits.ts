import type { ApolloServerPlugin } from '@apollo/server';
import { ApolloServerValidationErrorCode } from '@apollo/server/errors';
import {
  getNamedType,
  getNullableType,
  GraphQLError,
  isObjectType,
  isInterfaceType,
  isListType,
  Kind,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import type { QueryLimits } from '../config.js';
import { defaultPageSize, maxPageSize } from './connection.js';

/**
 * A hint on a field that gives lists without page arguments, by type-graphql's `@Extensions({ listSize })`: how many
 * items to count on, or the argument whose own length tells.
 */
export type ListSize = number | { lengthOf: string };

/** What an operation asks for. */
export interface OperationSize {
  depth: number;
  aliases: number;
  rootFields: number;
  /** Objects that the answer may hold, with the sizes that pages and lists may have. */
  cost: number;
  /** Fields at any depth, those of a fragment at each of its spreads. */
  fields: number;
}

/** Items to count on in a list of objects that neither has pages nor a hint. */
const unknownListSize = 5;

type Variables = Readonly<Record<string, unknown>>;

/** Refuses, before execution, an operation that asks for more than the limits allow. Tokens are counted by the parser. */
export function queryLimits(limits: QueryLimits): ApolloServerPlugin {
  return {
    requestDidStart: () =>
      Promise.resolve({
        didResolveOperation: ({ schema, document, operation, request }) => {
          if (operation) refuseTooLarge(measure(schema, document, operation, request.variables ?? {}), limits);
          return Promise.resolve();
        },
      }),
  };
}

/** @throws GraphQLError with the first limit that is passed */
export function refuseTooLarge(size: OperationSize, limits: QueryLimits): void {
  for (const name of ['depth', 'aliases', 'rootFields', 'cost'] as const) {
    if (size[name] > limits[name]) throw tooMuch(name, size[name], limits[name]);
  }
  // Fragments that spread each other twice make a short document long: what is walked or compiled is its full length.
  if (size.fields > limits.tokens) throw tooMuch('fields', size.fields, limits.tokens);
}

function tooMuch(name: keyof OperationSize, actual: number, limit: number): GraphQLError {
  const what = {
    depth: 'nests deeper than',
    aliases: 'uses more aliases than',
    rootFields: 'asks for more root fields than',
    cost: 'may give more objects than',
    fields: 'selects, with its fragments spread out, more fields than',
  }[name];
  const advice = name === 'cost' ? 'ask for smaller pages, fewer rows, or in several operations' : 'ask in several operations';
  return new GraphQLError(`The operation ${what} ${limit} (${Number.isFinite(actual) ? actual : 'without bound'}); ${advice}.`, {
    extensions: { code: 'QUERY_TOO_LARGE', limit: name === 'fields' ? 'tokens' : name, maximum: limit, http: { status: 400 } },
  });
}

/**
 * The words for a document that was refused for its size before it could be measured, by the parser or by validation;
 * null for any other error. graphql-js marks its own two refusals by nothing but their messages.
 */
export function sizeRefusal({ message, extensions }: GraphQLError): string | null {
  const tokens = /^Syntax Error: Document contains more tha[nt] (\d+) tokens\./.exec(message)?.[1];
  if (tokens !== undefined) return `The document has more than ${tokens} tokens; ask in several operations.`;
  const isAborted = message === 'Validation aborted.' || extensions.validationErrorCode === ApolloServerValidationErrorCode.MAX_RECURSIVE_SELECTIONS_EXCEEDED;
  return isAborted ? 'The document repeats its fields or fragments too often; ask for each once.' : null;
}

/** Measures an operation that has passed validation, with the sizes that its variables give. Introspection counts its aliases and fields. */
export function measure(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): OperationSize {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const measuring = new Measuring(schema, fragments, withDefaults(operation, variables));
  const root = schema.getRootType(operation.operation);
  const inside = root ? measuring.selection(operation.selectionSet, root.name) : nothing;
  return { ...inside, rootFields: inside.topFields };
}

interface Inside extends Omit<OperationSize, 'rootFields'> {
  /** Fields of the outermost selection. */
  topFields: number;
}

const nothing: Inside = { depth: 0, aliases: 0, topFields: 0, fields: 0, cost: 0 };

class Measuring {
  /** A fragment is measured once however often it is spread: nested spreads would otherwise double at each level. */
  readonly #measured = new Map<string, Inside>();

  constructor(
    readonly schema: GraphQLSchema,
    readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>,
    readonly variables: Variables,
  ) {}

  selection(set: SelectionSetNode, typeName: string): Inside {
    const total: Inside = { ...nothing };
    for (const node of set.selections) {
      const inside =
        node.kind === Kind.FIELD
          ? this.#field(node, typeName)
          : node.kind === Kind.INLINE_FRAGMENT
            ? this.selection(node.selectionSet, node.typeCondition?.name.value ?? typeName)
            : this.#fragment(node.name.value);
      total.depth = Math.max(total.depth, inside.depth);
      total.aliases += inside.aliases;
      total.topFields += inside.topFields;
      total.fields += inside.fields;
      total.cost += inside.cost;
    }
    return total;
  }

  #fragment(name: string): Inside {
    const known = this.#measured.get(name);
    if (known) return known;
    const fragment = this.fragments.get(name);
    const inside = fragment ? this.selection(fragment.selectionSet, fragment.typeCondition.name.value) : nothing;
    this.#measured.set(name, inside);
    return inside;
  }

  #field(node: FieldNode, typeName: string): Inside {
    const field = this.#definition(node, typeName);
    const own = { aliases: node.alias ? 1 : 0, topFields: 1, fields: 1 };
    if (!node.selectionSet || !field) return { ...own, depth: 1, cost: 0 };
    const inside = this.selection(node.selectionSet, getNamedType(field.type).name);
    const isIntrospection = field === SchemaMetaFieldDef || field === TypeMetaFieldDef;
    return {
      ...own,
      aliases: own.aliases + inside.aliases,
      fields: own.fields + inside.fields,
      // Tools ask for the schema in one operation that nests deep and is as large as the schema, which nobody can enlarge.
      depth: isIntrospection ? 1 : inside.depth + 1,
      cost: isIntrospection ? 1 : this.#cost(node, field, typeName, inside.cost),
    };
  }

  #definition({ name }: FieldNode, typeName: string): GraphQLField<unknown, unknown> | undefined {
    const type = this.schema.getType(typeName);
    if (type === this.schema.getQueryType()) {
      if (name.value === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
      if (name.value === TypeMetaFieldDef.name) return TypeMetaFieldDef;
    }
    return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value] : undefined;
  }

  /** The objects that an object field may give, with those inside each of them. */
  #cost(node: FieldNode, field: GraphQLField<unknown, unknown>, typeName: string, inside: number): number {
    const hint = field.extensions.listSize as ListSize | undefined;
    if (typeof hint === 'number') return hint * (1 + inside);
    if (hint) return Math.max(1, this.#length(this.#argument(node, hint.lengthOf))) * (1 + inside);
    // A connection gives as much as its page has of what is asked inside, be that its nodes or its edges.
    if (field.args.some(({ name }) => name === 'first' || name === 'last')) return 1 + this.#pageSize(node) * Math.max(1, inside);
    const isCounted = typeName.endsWith('Connection');
    return (isListType(getNullableType(field.type)) && !isCounted ? unknownListSize : 1) * (1 + inside);
  }

  #pageSize(node: FieldNode): number {
    const asked = [this.#number(this.#argument(node, 'first')), this.#number(this.#argument(node, 'last'))].filter((size) => size !== null);
    return Math.min(asked.length > 0 ? Math.max(...asked, 1) : defaultPageSize, maxPageSize);
  }

  #argument(node: FieldNode, name: string): ValueNode | undefined {
    return node.arguments?.find((argument) => argument.name.value === name)?.value;
  }

  #number(value: ValueNode | undefined): number | null {
    if (value?.kind === Kind.INT) return Number(value.value);
    const given = value?.kind === Kind.VARIABLE ? this.variables[value.name.value] : null;
    return typeof given === 'number' ? given : null;
  }

  #length(value: ValueNode | undefined): number {
    if (value?.kind === Kind.LIST) return value.values.length;
    const given = value?.kind === Kind.VARIABLE ? this.variables[value.name.value] : null;
    return Array.isArray(given) ? given.length : 1;
  }
}

/** The variables as sent, and the defaults of those that were not. */
function withDefaults(operation: OperationDefinitionNode, variables: Variables): Variables {
  const filled: Record<string, unknown> = { ...variables };
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    if (filled[variable.name.value] !== undefined || !defaultValue) continue;
    if (defaultValue.kind === Kind.INT) filled[variable.name.value] = Number(defaultValue.value);
    if (defaultValue.kind === Kind.LIST) filled[variable.name.value] = defaultValue.values;
  }
  return filled;
}
