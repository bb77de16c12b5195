import type { ApolloServerPlugin } from '@apollo/server';
import {
  getNamedType,
  GraphQLError,
  isObjectType,
  isInterfaceType,
  Kind,
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
  /** Objects that the answer may hold: each object field counts 1, times the sizes of the lists around it. */
  cost: number;
}

type Variables = Readonly<Record<string, unknown>>;

/** Refuses, before execution, an operation that asks for more than the limits allow. Tokens are counted by the parser. */
export function queryLimits(limits: QueryLimits): ApolloServerPlugin {
  return {
    requestDidStart: () =>
      Promise.resolve({
        didResolveOperation: ({ schema, document, operation, request }) => {
          if (!operation) return Promise.resolve();
          const size = measure(schema, document, operation, request.variables ?? {});
          for (const name of ['depth', 'aliases', 'rootFields', 'cost'] as const) {
            if (size[name] > limits[name]) throw tooMuch(name, size[name], limits[name]);
          }
          return Promise.resolve();
        },
      }),
  };
}

function tooMuch(name: keyof OperationSize, actual: number, limit: number): GraphQLError {
  const what = {
    depth: 'nests deeper than',
    aliases: 'uses more aliases than',
    rootFields: 'asks for more root fields than',
    cost: 'may give more objects than',
  }[name];
  const advice = name === 'cost' ? 'ask for smaller pages, fewer rows, or in several operations' : 'ask in several operations';
  return new GraphQLError(`The operation ${what} ${limit} (${Number.isFinite(actual) ? actual : 'without bound'}); ${advice}.`, {
    extensions: { code: 'QUERY_TOO_LARGE', limit: name, maximum: limit, http: { status: 400 } },
  });
}

/** Measures an operation that has passed validation, with the sizes that its variables give. Introspection counts nothing. */
export function measure(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): OperationSize {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const measuring = new Measuring(schema, fragments, withDefaults(operation, variables));
  const root = schema.getRootType(operation.operation);
  const inside = root ? measuring.selection(operation.selectionSet, root.name) : { depth: 0, aliases: 0, fields: 0, cost: 0 };
  return { depth: inside.depth, aliases: inside.aliases, rootFields: inside.fields, cost: inside.cost };
}

interface Inside {
  depth: number;
  aliases: number;
  fields: number;
  cost: number;
}

class Measuring {
  /** A fragment is measured once however often it is spread: nested spreads would otherwise double at each level. */
  readonly #measured = new Map<string, Inside>();

  constructor(
    readonly schema: GraphQLSchema,
    readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>,
    readonly variables: Variables,
  ) {}

  selection(set: SelectionSetNode, typeName: string): Inside {
    const total: Inside = { depth: 0, aliases: 0, fields: 0, cost: 0 };
    for (const node of set.selections) {
      const inside =
        node.kind === Kind.FIELD
          ? this.#field(node, typeName)
          : node.kind === Kind.INLINE_FRAGMENT
            ? this.selection(node.selectionSet, node.typeCondition?.name.value ?? typeName)
            : this.#fragment(node.name.value);
      total.depth = Math.max(total.depth, inside.depth);
      total.aliases += inside.aliases;
      total.fields += inside.fields;
      total.cost += inside.cost;
    }
    return total;
  }

  #fragment(name: string): Inside {
    const known = this.#measured.get(name);
    if (known) return known;
    const fragment = this.fragments.get(name);
    const inside = fragment ? this.selection(fragment.selectionSet, fragment.typeCondition.name.value) : { depth: 0, aliases: 0, fields: 0, cost: 0 };
    this.#measured.set(name, inside);
    return inside;
  }

  #field(node: FieldNode, typeName: string): Inside {
    const name = node.name.value;
    if (name === '__schema' || name === '__type') return { depth: 0, aliases: node.alias ? 1 : 0, fields: 1, cost: 1 };
    const type = this.schema.getType(typeName);
    const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
    const aliases = node.alias ? 1 : 0;
    const size = field ? this.#listSize(node, field) : 1;
    if (!node.selectionSet || !field) return { depth: 1, aliases, fields: 1, cost: size > 1 ? size : 0 };
    const inside = this.selection(node.selectionSet, getNamedType(field.type).name);
    return { depth: inside.depth + 1, aliases: aliases + inside.aliases, fields: 1, cost: 1 + size * Math.max(1, inside.cost) };
  }

  /** How many items the field may give: its page size, the hinted size, else 1. */
  #listSize(node: FieldNode, field: GraphQLField<unknown, unknown>): number {
    const hint = field.extensions.listSize as ListSize | undefined;
    if (typeof hint === 'number') return hint;
    if (hint) return this.#length(this.#argument(node, hint.lengthOf));
    if (!field.args.some((argument) => argument.name === 'first' || argument.name === 'last')) return 1;
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
