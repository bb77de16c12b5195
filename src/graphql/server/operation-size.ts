import {
  getNamedType,
  getNullableType,
  isInterfaceType,
  isListType,
  isObjectType,
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
import { conditionCount } from './condition-count.js';

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

/** What rows of models cost. */
export interface ModelCosts {
  /** The elements that a model returns for a row, in all outputs; 0 for an unknown model. */
  outputElements(model: string): number;
  /** The milliseconds that a model takes for a row; 0 if unknown. */
  rowMs(model: string): number;
}

const noModels: ModelCosts = { outputElements: () => 0, rowMs: () => 0 };

/** Objects that a millisecond of a model costs as much as. */
const objectsPerMs = 100;

/** The cost of a row that a model computes, in objects. */
export const rowCost = (models: Pick<ModelCosts, 'rowMs'>, model: string): number =>
  Math.round(models.rowMs(model) * objectsPerMs);

/** What an operation requests with its variables. */
export interface OperationSize {
  /** The maximum number of objects in the response, by the sizes of its pages and lists. */
  cost: number;
  /** Whether it selects `__schema` or `__type`. */
  introspects: boolean;
}

/** Elements of an output that cost as much as an object. */
const elementsPerObject = 256;

/** The expected number of items in a list without pages or hint. */
const unknownListSize = 5;

type Variables = Readonly<Record<string, unknown>>;

const known = new WeakMap<OperationDefinitionNode, { schema: GraphQLSchema; size: CompiledSize }>();

/**
 * Measures a valid operation with the page sizes of its variables. Introspection counts 1; what @skip or @include excludes is not
 * executed and does not count. The operation is visited once for all of its measurements.
 */
export function measure(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables,
  models: ModelCosts = noModels,
): OperationSize {
  let found = known.get(operation);
  if (found?.schema !== schema) {
    found = { schema, size: new SizeCompiler(schema, document).compile(operation) };
    known.set(operation, found);
  }
  const { cost, defaults } = found.size;
  if (typeof cost === 'number') return { cost, introspects: false };
  const measurement = new Measurement(variables, defaults, models);
  return { cost: cost(measurement), introspects: measurement.introspects };
}

/** The cost of an operation: a number, unless it depends on variables or models. */
interface CompiledSize {
  cost: Cost;
  /** A `Map`, since callers choose the names. */
  defaults: ReadonlyMap<string, unknown>;
}

type Cost = number | ((measurement: Measurement) => number);

/** One measurement, with its variables. */
class Measurement {
  introspects = false;
  /** Each fragment is measured once: nested spreads would otherwise double the work at each level. */
  readonly #fragments = new Map<Cost, number>();

  constructor(
    readonly variables: Variables,
    readonly defaults: ReadonlyMap<string, unknown>,
    readonly models: ModelCosts,
  ) {}

  /** The variable as sent, or its default. */
  variable(name: string): unknown {
    const sent = ownValue(this.variables, name);
    return sent === undefined ? this.defaults.get(name) : sent;
  }

  fragment(cost: Cost): number {
    const measured = this.#fragments.get(cost) ?? costIn(this, cost);
    this.#fragments.set(cost, measured);
    return measured;
  }
}

const costIn = (measurement: Measurement, cost: Cost): number => (typeof cost === 'number' ? cost : cost(measurement));

/** A cost by other costs; a number if they are numbers. */
function derived(parts: readonly Cost[], of: (...costs: number[]) => number): Cost {
  if (parts.every((part) => typeof part === 'number')) return of(...parts);
  return (measurement) => of(...parts.map((part) => costIn(measurement, part)));
}

const sum = (...costs: number[]): number => costs.reduce((total, cost) => total + cost, 0);

/** Compiles the cost of an operation, with holes for its variables. */
class SizeCompiler {
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #compiled = new Map<string, Cost>();

  constructor(
    readonly schema: GraphQLSchema,
    document: DocumentNode,
  ) {
    for (const definition of document.definitions)
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(definition.name.value, definition);
  }

  compile(operation: OperationDefinitionNode): CompiledSize {
    const root = this.schema.getRootType(operation.operation);
    const cost = root ? this.#selection(operation.selectionSet, root.name) : 0;
    return { cost, defaults: defaultsOf(operation) };
  }

  #selection({ selections }: SelectionSetNode, typeName: string): Cost {
    const costs: Cost[] = [];
    for (const node of selections) costs.push(this.#conditional(node, typeName));
    return derived(costs, sum);
  }

  /** The cost of a selection; 0 where `@skip` or `@include` excludes it. */
  #conditional(node: SelectionNode, typeName: string): Cost {
    const conditions = (node.directives ?? []).flatMap(({ name, arguments: [condition] = [] }) => {
      const isExcluding = name.value === 'skip' ? true : name.value === 'include' ? false : null;
      return isExcluding === null || !condition ? [] : [{ value: valueOf(condition.value), isExcluding }];
    });
    if (conditions.some(({ value, isExcluding }) => value === isExcluding)) return 0;
    const cost = this.#cost(node, typeName);
    const open = conditions.filter((condition) => typeof condition.value === 'function');
    if (open.length === 0 || cost === 0) return cost;
    return (measurement) =>
      open.some(({ value, isExcluding }) => valueIn(measurement, value) === isExcluding)
        ? 0
        : costIn(measurement, cost);
  }

  #cost(node: SelectionNode, typeName: string): Cost {
    if (node.kind === Kind.FIELD) return this.#field(node, typeName);
    if (node.kind === Kind.INLINE_FRAGMENT)
      return this.#selection(node.selectionSet, node.typeCondition?.name.value ?? typeName);
    const cost = this.#fragment(node.name.value);
    return typeof cost === 'number' ? cost : (measurement) => measurement.fragment(cost);
  }

  #fragment(name: string): Cost {
    const compiled = this.#compiled.get(name);
    if (compiled !== undefined) return compiled;
    const fragment = this.#fragments.get(name);
    const cost = fragment ? this.#selection(fragment.selectionSet, fragment.typeCondition.name.value) : 0;
    this.#compiled.set(name, cost);
    return cost;
  }

  #field(node: FieldNode, typeName: string): Cost {
    const field = this.#definition(node, typeName);
    if (!node.selectionSet || !field) return 0;
    // Its response is bounded by the size of the schema.
    if (field === SchemaMetaFieldDef || field === TypeMetaFieldDef)
      return (measurement) => {
        measurement.introspects = true;
        return 1;
      };
    const inside = this.#selection(node.selectionSet, getNamedType(field.type).name);
    const objects = this.#objects(node, field, typeName, inside);
    const filter = node.arguments?.find(({ name }) => name.value === 'filter')?.value;
    return filter ? derived([objects, (measurement) => conditionCount(filter, measurement)], sum) : objects;
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
  #objects(node: FieldNode, field: GraphQLField<unknown, unknown>, typeName: string, inside: Cost): Cost {
    const hint = field.extensions.listSize as ListSize | undefined;
    if (typeof hint === 'number') return derived([inside], (items) => hint * (1 + items));
    if (hint)
      return derived(
        [lengthOf(argument(node, hint.lengthOf)), inside, widthOf(node, hint)],
        (length, items, width) => Math.max(1, length) * (1 + items + width),
      );
    // A connection returns its page once for each of the selected `nodes` and `edges`, which `inside` counts.
    if (field.args.some(({ name }) => name === 'first' || name === 'last'))
      return derived([pageSizeOf(node), inside], (size, items) => 1 + size * Math.max(1, items));
    const model = field.extensions.computedBy as string | undefined;
    if (model !== undefined)
      return derived([inside, (measurement) => rowCost(measurement.models, model)], (items, row) => 1 + items + row);
    const isCounted = typeName.endsWith('Connection');
    const size = isListType(getNullableType(field.type)) && !isCounted ? unknownListSize : 1;
    return derived([inside], (items) => size * (1 + items));
  }
}

/** A literal, or the variable to read. Objects are not measured. */
type ArgumentValue = boolean | number | string | readonly ValueNode[] | null | ((measurement: Measurement) => unknown);

function valueOf(value: ValueNode | undefined): ArgumentValue {
  if (value?.kind === Kind.VARIABLE) return (measurement) => measurement.variable(value.name.value);
  return value ? (literalOf(value) ?? null) : null;
}

function literalOf(value: ValueNode): boolean | number | string | readonly ValueNode[] | undefined {
  if (value.kind === Kind.BOOLEAN || value.kind === Kind.STRING) return value.value;
  if (value.kind === Kind.INT) return Number(value.value);
  return value.kind === Kind.LIST ? value.values : undefined;
}

const valueIn = (measurement: Measurement, value: ArgumentValue): unknown =>
  typeof value === 'function' ? value(measurement) : value;

/** A cost by the value of an argument. */
const ofValue = (value: ArgumentValue, cost: (value: unknown) => number): Cost =>
  typeof value === 'function' ? (measurement) => cost(value(measurement)) : cost(value);

const argument = (node: FieldNode, name: string): ArgumentValue =>
  valueOf(node.arguments?.find((given) => given.name.value === name)?.value);

const lengthOf = (list: ArgumentValue): Cost => ofValue(list, (value) => (Array.isArray(value) ? value.length : 1));

function pageSizeOf(node: FieldNode): Cost {
  const sizes = ['first', 'last'].map((name) =>
    ofValue(argument(node, name), (value) => (typeof value === 'number' ? Math.max(value, 1) : 0)),
  );
  return derived(sizes, (...sent) => Math.min(Math.max(...sent) || defaultPageSize, maxPageSize));
}

/** The cost of a row's outputs beyond an object. */
function widthOf(node: FieldNode, { model, modelOf }: ComputedList): Cost {
  const name = model ?? (modelOf === undefined ? null : argument(node, modelOf));
  if (name === null) return 0;
  return (measurement) => {
    const named = valueIn(measurement, name);
    return typeof named === 'string' ? Math.floor(measurement.models.outputElements(named) / elementsPerObject) : 0;
  };
}

const defaultsOf = ({ variableDefinitions = [] }: OperationDefinitionNode): ReadonlyMap<string, unknown> =>
  new Map(
    variableDefinitions.flatMap(({ variable, defaultValue }) =>
      defaultValue ? [[variable.name.value, literalOf(defaultValue)]] : [],
    ),
  );
