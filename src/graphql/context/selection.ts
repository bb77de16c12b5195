import {
  getNamedType,
  isAbstractType,
  isObjectType,
  Kind,
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { ownValue } from '../../errors/own-value.js';
import { readsOf, relatedReadsOf } from '../schema/reads.js';
import { operationReads } from './operation-reads.js';

type Operation = Pick<GraphQLResolveInfo, 'schema' | 'operation' | 'fragments' | 'variableValues'>;

/** The values of the variables that @skip and @include of a selection depend on. */
type Conditions = Map<string, unknown>;

/** The fields at the end of a path. */
interface PathEnd {
  type: GraphQLObjectType;
  nodes: FieldNode[];
  /** What other fields read of the object. */
  alsoReads: string[];
}

/** The fields that an operation selects of an object. */
export class SelectedFields {
  readonly #operation: Operation;
  readonly #conditions: Conditions;
  readonly #type: GraphQLObjectType;
  readonly #nodes = new Map<string, FieldNode[]>();
  /** What other fields of the operation read of the object. */
  readonly #alsoReads: readonly string[];

  /** @param nodes the fields that lead to the object */
  constructor(
    operation: Operation,
    conditions: Conditions,
    type: GraphQLObjectType,
    nodes: readonly FieldNode[],
    alsoReads: readonly string[] = [],
  ) {
    this.#operation = operation;
    this.#conditions = conditions;
    this.#type = type;
    this.#alsoReads = alsoReads;
    const visited = new Set<string>();
    for (const { selectionSet } of nodes) if (selectionSet) this.#collect(selectionSet, visited);
  }

  has(field: string): boolean {
    return this.#nodes.has(field);
  }

  /** The definitions of the fields, without `__typename`. */
  get definitions(): GraphQLField<unknown, unknown>[] {
    return [...this.#nodes.keys()].flatMap((name) => ownValue(this.#type.getFields(), name) ?? []);
  }

  /**
   * The fields selected at the end of a path, or of several: `at('nodes', 'edges.node')`; null if none is selected, and no other field
   * reads the object there.
   */
  at(...paths: string[]): SelectedFields | null {
    const found = paths.map((path) => this.#follow(path.split('.'))).filter((end) => end !== null);
    const [first] = found;
    return first
      ? new SelectedFields(
          this.#operation,
          this.#conditions,
          first.type,
          found.flatMap(({ nodes }) => nodes),
          found.flatMap(({ alsoReads }) => alsoReads),
        )
      : null;
  }

  /** The properties of a row that the whole operation reads of the type; null for all of them. */
  get operationReads(): ReadonlySet<string> | null {
    return operationReads(this.#operation, this.#type.name);
  }

  /** The properties of a row that the fields and their rules read; null if one does not declare them. */
  get reads(): ReadonlySet<string> | null {
    const reads = new Set(this.#alsoReads);
    for (const name of this.#nodes.keys()) {
      const field = ownValue(this.#type.getFields(), name);
      if (!field) continue; // __typename
      const properties = readsOf(field);
      if (properties === null) return null;
      for (const property of properties) reads.add(property);
    }
    return reads;
  }

  #follow([name = '', ...rest]: string[]): PathEnd | null {
    const nodes = this.#nodes.get(name) ?? [];
    const alsoReads = this.#readsThrough(name);
    const field = ownValue(this.#type.getFields(), name);
    const type = field && getNamedType(field.type);
    if ((nodes.length === 0 && alsoReads.length === 0) || !isObjectType(type)) return null;
    return rest.length === 0
      ? { type, nodes, alsoReads }
      : new SelectedFields(this.#operation, this.#conditions, type, nodes, alsoReads).#follow(rest);
  }

  /** What the selected fields read of the object that another field leads to. */
  #readsThrough(relation: string): string[] {
    return [...this.#nodes.keys()].flatMap((name) => {
      const field = ownValue(this.#type.getFields(), name);
      return field ? relatedReadsOf(field).flatMap(([to, properties]) => (to === relation ? properties : [])) : [];
    });
  }

  #collect({ selections }: SelectionSetNode, visited: Set<string>): void {
    for (const node of selections) {
      if (!this.#isIncluded(node)) continue;
      if (node.kind === Kind.FIELD) {
        const nodes = this.#nodes.get(node.name.value);
        if (nodes) nodes.push(node);
        else this.#nodes.set(node.name.value, [node]);
        continue;
      }
      if (node.kind === Kind.FRAGMENT_SPREAD) {
        if (visited.has(node.name.value)) continue;
        visited.add(node.name.value);
      }
      const fragment = node.kind === Kind.INLINE_FRAGMENT ? node : ownValue(this.#operation.fragments, node.name.value);
      if (fragment && this.#applies(fragment.typeCondition?.name.value)) this.#collect(fragment.selectionSet, visited);
    }
  }

  #applies(condition: string | undefined): boolean {
    if (condition === undefined || condition === this.#type.name) return true;
    const type = this.#operation.schema.getType(condition);
    return isAbstractType(type) && this.#operation.schema.isSubType(type, this.#type);
  }

  #isIncluded({ directives = [] }: SelectionNode): boolean {
    return directives.every((directive) => {
      const name = directive.name.value;
      const argument = directive.arguments?.find((one) => one.name.value === 'if')?.value;
      if (name !== 'skip' && name !== 'include') return true;
      if (argument?.kind === Kind.BOOLEAN) return argument.value === (name === 'include');
      if (argument?.kind !== Kind.VARIABLE) return true;
      const value = ownValue(this.#operation.variableValues, argument.name.value);
      this.#conditions.set(argument.name.value, value);
      return value !== (name === 'skip');
    });
  }
}

/** What was derived for one selection. */
interface Known<Derived> {
  info: Pick<GraphQLResolveInfo, 'schema' | 'operation' | 'fieldNodes'>;
  conditions: Conditions;
  derived: Derived;
}

/** Upper bound of what is remembered of one field node: it differs by the variables of @skip and @include. */
const maxKnown = 16;

/**
 * Looks ahead which fields an operation selects below the field being resolved, which must return objects of one type.
 * @param derive called once for each selection; its result is remembered as long as the document, so it returns plain values
 */
export function lookAhead<Derived>(derive: (fields: SelectedFields) => Derived): (info: GraphQLResolveInfo) => Derived {
  const knownByNode = new WeakMap<FieldNode, Known<Derived>[]>();
  return (info) => {
    const [node] = info.fieldNodes;
    if (!node) throw new Error('A field is resolved without a field node.');
    const known = knownByNode.get(node) ?? [];
    const same = known.find((one) => isSame(one, info));
    if (same) return same.derived;
    const { schema, operation, fieldNodes } = info;
    const type = getNamedType(info.returnType);
    if (!isObjectType(type)) throw new Error(`${type.name} is no object type; look ahead of fields that return one.`);
    const conditions: Conditions = new Map();
    const derived = derive(new SelectedFields(info, conditions, type, fieldNodes));
    // A copy: an executor may keep the array for the next operation.
    known.push({ info: { schema, operation, fieldNodes: [...fieldNodes] }, conditions, derived });
    if (known.length > maxKnown) known.shift();
    knownByNode.set(node, known);
    return derived;
  };
}

const isSame = ({ info, conditions }: Known<unknown>, now: GraphQLResolveInfo): boolean =>
  info.schema === now.schema &&
  info.operation === now.operation &&
  info.fieldNodes.length === now.fieldNodes.length &&
  info.fieldNodes.every((node, index) => node === now.fieldNodes[index]) &&
  [...conditions].every(([name, value]) => ownValue(now.variableValues, name) === value);
