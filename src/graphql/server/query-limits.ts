import {
  getNamedType,
  getNullableType,
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
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { ownValue } from '../../errors/own-value.js';
import { defaultPageSize, maxPageSize } from '../relay/connection.js';
import { limitError, type DocumentLimits } from './document-limits.js';
import { assertMayIntrospect } from './introspection.js';
import type { Stage } from './stages/stage.js';

/**
 * A hint on a list field without page arguments, by type-graphql's `@Extensions({ listSize })`: the expected number of items, or
 * the list argument whose length is that number. Items that a model computes also weigh by the width of its outputs: `model` names it, or
 * `modelOf` the argument that does.
 */
type ListSize = number | ComputedList;

interface ComputedList {
  lengthOf: string;
  model?: string;
  modelOf?: string;
}

/** Maximum sizes of an operation. */
export interface QueryLimits extends DocumentLimits {
  tokens: number;
  /** Objects in the response. */
  cost: number;
}

/** The elements that a model returns for a row, in all outputs; 0 for an unknown model. */
export type OutputElements = (model: string) => number;

/** Elements of an output that cost as much as an object. */
const elementsPerObject = 256;

/** What an operation requests with its variables. */
export interface OperationSize {
  /** The maximum number of objects in the response, by the sizes of its pages and lists. */
  cost: number;
  /** Whether it selects `__schema` or `__type`. */
  introspects: boolean;
}

/** The expected number of items in a list without pages or hint. */
const unknownListSize = 5;

type Variables = Readonly<Record<string, unknown>>;
type VariableValues = ReadonlyMap<string, unknown>;

/** Rejects operations over the limit of cost, and introspection if it is closed, before execution. */
export function queryLimits(limits: QueryLimits, isIntrospectionOpen: boolean, outputElements: OutputElements): Stage {
  return {
    begin: () => ({
      admit: ({ schema, document, operation, request, contextValue }) => {
        if (!document || !operation) return;
        const size = measure(schema, document, operation, request.variables ?? {}, outputElements);
        if (size.introspects && !isIntrospectionOpen) assertMayIntrospect(contextValue.viewer);
        assertWithinCost(size, limits);
      },
    }),
  };
}

/** @throws GraphQLError if the operation costs too much */
export function assertWithinCost({ cost }: OperationSize, limits: QueryLimits): void {
  if (cost > limits.cost) throw limitError('cost', cost, limits.cost);
}

/**
 * Measures a valid operation with the page sizes of its variables. Introspection counts 1; what @skip or @include excludes is not
 * executed and does not count.
 */
export function measure(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables,
  outputElements: OutputElements = () => 0,
): OperationSize {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const visitor = new SizeVisitor(schema, fragments, withDefaults(operation, variables), outputElements);
  const root = schema.getRootType(operation.operation);
  return root ? visitor.selection(operation.selectionSet, root.name) : nothing;
}

const nothing: OperationSize = { cost: 0, introspects: false };

class SizeVisitor {
  /** Each fragment is measured once: nested spreads would otherwise double the work at each level. */
  readonly #measured = new Map<string, OperationSize>();

  constructor(
    readonly schema: GraphQLSchema,
    readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>,
    readonly variables: VariableValues,
    readonly outputElements: OutputElements,
  ) {}

  selection(set: SelectionSetNode, typeName: string): OperationSize {
    const total: OperationSize = { ...nothing };
    for (const node of set.selections) {
      if (this.#isExcluded(node)) continue;
      const inside =
        node.kind === Kind.FIELD
          ? this.#field(node, typeName)
          : node.kind === Kind.INLINE_FRAGMENT
            ? this.selection(node.selectionSet, node.typeCondition?.name.value ?? typeName)
            : this.#fragment(node.name.value);
      total.cost += inside.cost;
      total.introspects ||= inside.introspects;
    }
    return total;
  }

  #fragment(name: string): OperationSize {
    const known = this.#measured.get(name);
    if (known) return known;
    const fragment = this.fragments.get(name);
    const inside = fragment ? this.selection(fragment.selectionSet, fragment.typeCondition.name.value) : nothing;
    this.#measured.set(name, inside);
    return inside;
  }

  #field(node: FieldNode, typeName: string): OperationSize {
    const field = this.#definition(node, typeName);
    if (!node.selectionSet || !field) return nothing;
    // Its response is bounded by the size of the schema.
    if (field === SchemaMetaFieldDef || field === TypeMetaFieldDef) return { cost: 1, introspects: true };
    const inside = this.selection(node.selectionSet, getNamedType(field.type).name);
    return { ...inside, cost: this.#cost(node, field, typeName, inside.cost) };
  }

  /** Whether `@skip` or `@include` excludes the selection. */
  #isExcluded({ directives = [] }: SelectionNode): boolean {
    return directives.some(({ name, arguments: [condition] = [] }) => {
      const isExcluding = name.value === 'skip' ? true : name.value === 'include' ? false : null;
      return isExcluding !== null && this.#boolean(condition?.value) === isExcluding;
    });
  }

  #definition({ name }: FieldNode, typeName: string): GraphQLField<unknown, unknown> | undefined {
    const type = this.schema.getType(typeName);
    if (type === this.schema.getQueryType()) {
      if (name.value === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
      if (name.value === TypeMetaFieldDef.name) return TypeMetaFieldDef;
    }
    return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value] : undefined;
  }

  /** The maximum number of objects of a field, including those inside them. */
  #cost(node: FieldNode, field: GraphQLField<unknown, unknown>, typeName: string, inside: number): number {
    const hint = field.extensions.listSize as ListSize | undefined;
    if (typeof hint === 'number') return hint * (1 + inside);
    if (hint)
      return Math.max(1, this.#length(this.#argument(node, hint.lengthOf))) * (1 + inside + this.#width(node, hint));
    // A connection returns its page once for each of the selected `nodes` and `edges`, which `inside` counts.
    if (field.args.some(({ name }) => name === 'first' || name === 'last'))
      return 1 + this.#pageSize(node) * Math.max(1, inside);
    const isCounted = typeName.endsWith('Connection');
    return (isListType(getNullableType(field.type)) && !isCounted ? unknownListSize : 1) * (1 + inside);
  }

  /** The cost of a row's outputs beyond an object. */
  #width(node: FieldNode, { model, modelOf }: ComputedList): number {
    const name = model ?? (modelOf === undefined ? null : this.#string(this.#argument(node, modelOf)));
    return name === null ? 0 : Math.floor(this.outputElements(name) / elementsPerObject);
  }

  #pageSize(node: FieldNode): number {
    const sizes = [this.#number(this.#argument(node, 'first')), this.#number(this.#argument(node, 'last'))].filter(
      (size) => size !== null,
    );
    return Math.min(sizes.length > 0 ? Math.max(...sizes, 1) : defaultPageSize, maxPageSize);
  }

  #argument(node: FieldNode, name: string): ValueNode | undefined {
    return node.arguments?.find((argument) => argument.name.value === name)?.value;
  }

  #boolean(value: ValueNode | undefined): unknown {
    if (value?.kind === Kind.BOOLEAN) return value.value;
    return value?.kind === Kind.VARIABLE ? this.variables.get(value.name.value) : null;
  }

  #number(value: ValueNode | undefined): number | null {
    if (value?.kind === Kind.INT) return Number(value.value);
    const sent = value?.kind === Kind.VARIABLE ? this.variables.get(value.name.value) : null;
    return typeof sent === 'number' ? sent : null;
  }

  #string(value: ValueNode | undefined): string | null {
    if (value?.kind === Kind.STRING) return value.value;
    const sent = value?.kind === Kind.VARIABLE ? this.variables.get(value.name.value) : null;
    return typeof sent === 'string' ? sent : null;
  }

  #length(value: ValueNode | undefined): number {
    if (value?.kind === Kind.LIST) return value.values.length;
    const sent = value?.kind === Kind.VARIABLE ? this.variables.get(value.name.value) : null;
    return Array.isArray(sent) ? sent.length : 1;
  }
}

/** The declared variables as sent, and the defaults of the others. A `Map`, since callers choose the names. */
function withDefaults(operation: OperationDefinitionNode, variables: Variables): VariableValues {
  const filled = new Map<string, unknown>();
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    const name = variable.name.value;
    const sent = ownValue(variables, name);
    filled.set(name, sent);
    if (sent !== undefined || !defaultValue) continue;
    if (defaultValue.kind === Kind.BOOLEAN) filled.set(name, defaultValue.value);
    if (defaultValue.kind === Kind.STRING) filled.set(name, defaultValue.value);
    if (defaultValue.kind === Kind.INT) filled.set(name, Number(defaultValue.value));
    if (defaultValue.kind === Kind.LIST) filled.set(name, defaultValue.values);
  }
  return filled;
}
