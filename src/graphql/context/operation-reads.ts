import {
  getNamedType,
  isAbstractType,
  isCompositeType,
  isObjectType,
  Kind,
  type GraphQLCompositeType,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { ownValue } from '../../errors/own-value.js';
import { readsOf, relatedReadsOf } from '../schema/reads.js';

type Operation = Pick<GraphQLResolveInfo, 'schema' | 'operation' | 'fragments'>;

/** The properties that the fields of an operation read, by the type of their parent; null for all of them. */
type ReadsByType = ReadonlyMap<string, ReadonlySet<string> | null>;

const known = new WeakMap<OperationDefinitionNode, { schema: GraphQLSchema; reads: ReadsByType }>();

/**
 * The properties of a type's rows that an operation reads anywhere, so that all its loaders of these rows read the same columns
 * and share their batches; null for all of them. A field with @skip or @include counts as selected.
 */
export function operationReads(operation: Operation, type: string): ReadonlySet<string> | null {
  let found = known.get(operation.operation);
  if (found?.schema !== operation.schema) {
    found = { schema: operation.schema, reads: readsByType(operation) };
    known.set(operation.operation, found);
  }
  return found.reads.get(type) ?? (found.reads.has(type) ? null : none);
}

const none: ReadonlySet<string> = new Set();

function readsByType({ schema, operation, fragments }: Operation): ReadsByType {
  const reads = new Map<string, Set<string> | null>();
  // Each fragment is visited once: its type is that of its condition, wherever it is spread.
  const visited = new Set<string>();

  const visit = (type: GraphQLCompositeType, { selections }: SelectionSetNode): void => {
    for (const node of selections) {
      if (node.kind === Kind.FIELD) {
        visitField(type, node.name.value, node.selectionSet);
      } else if (node.kind === Kind.INLINE_FRAGMENT) {
        visitConditional(node.typeCondition?.name.value, type, node.selectionSet);
      } else if (!visited.has(node.name.value)) {
        visited.add(node.name.value);
        const fragment = ownValue(fragments, node.name.value);
        if (fragment) visitConditional(fragment.typeCondition.name.value, type, fragment.selectionSet);
      }
    }
  };
  const visitConditional = (condition: string | undefined, type: GraphQLCompositeType, set: SelectionSetNode): void => {
    const narrowed = condition === undefined ? type : schema.getType(condition);
    if (isCompositeType(narrowed)) visit(narrowed, set);
  };
  const visitField = (parent: GraphQLCompositeType, name: string, set: SelectionSetNode | undefined): void => {
    for (const type of isAbstractType(parent) ? schema.getPossibleTypes(parent) : [parent]) {
      const field = ownValue(type.getFields(), name);
      if (!field) continue; // __typename
      add(type.name, readsOf(field));
      for (const [relation, properties] of relatedReadsOf(field)) addRelated(type, relation, properties);
    }
    const field = 'getFields' in parent ? ownValue(parent.getFields(), name) : undefined;
    const child = field && getNamedType(field.type);
    if (set && isCompositeType(child)) visit(child, set);
  };
  const addRelated = (type: GraphQLObjectType, relation: string, properties: readonly string[]): void => {
    const field = ownValue(type.getFields(), relation);
    if (field) add(getNamedType(field.type).name, properties);
  };
  const add = (type: string, properties: readonly string[] | null): void => {
    const sofar = reads.get(type);
    if (sofar === null) return;
    if (properties === null) reads.set(type, null);
    else reads.set(type, new Set([...(sofar ?? []), ...properties]));
  };

  const root = schema.getRootType(operation.operation);
  if (isObjectType(root)) visit(root, operation.selectionSet);
  return reads;
}
