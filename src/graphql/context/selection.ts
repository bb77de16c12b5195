import { ownValue } from '../../errors/own-value.js';
import { Kind, type GraphQLResolveInfo, type SelectionSetNode } from 'graphql';

/**
 * Whether the operation selects a path of fields below the field being resolved. A step may have alternatives:
 * `selects(info, 'nodes|edges.node', 'author')`. Looks through fragments; a field with @skip or @include counts as selected.
 */
export function selects(info: GraphQLResolveInfo, ...path: string[]): boolean {
  const steps = path.map((step) => step.split('|').map((alternative) => alternative.split('.')));
  return info.fieldNodes.some((node) => node.selectionSet !== undefined && walk(info, node.selectionSet, steps));
}

/** Whether the operation selects a field directly below the one being resolved for any variables: not with @skip or @include. */
export const surelySelects = (info: GraphQLResolveInfo, field: string): boolean =>
  info.fieldNodes.some(({ selectionSet }) => selectionSet !== undefined && surelyHas(info, selectionSet, field));

const surelyHas = (info: GraphQLResolveInfo, { selections }: SelectionSetNode, field: string): boolean =>
  selections.some((node) => {
    if (node.directives?.length) return false;
    if (node.kind === Kind.FIELD) return node.name.value === field;
    const selection =
      node.kind === Kind.INLINE_FRAGMENT ? node.selectionSet : ownValue(info.fragments, node.name.value)?.selectionSet;
    return selection !== undefined && surelyHas(info, selection, field);
  });

function walk(info: GraphQLResolveInfo, selection: SelectionSetNode, steps: string[][][]): boolean {
  const [alternatives, ...rest] = steps;
  if (!alternatives) return true;
  return alternatives.some((names) => follow(info, selection, names, rest));
}

function follow(info: GraphQLResolveInfo, selection: SelectionSetNode, names: string[], rest: string[][][]): boolean {
  const [name, ...deeper] = names;
  return selection.selections.some((node) => {
    if (node.kind === Kind.FRAGMENT_SPREAD) {
      const fragment = ownValue(info.fragments, node.name.value);
      return fragment !== undefined && follow(info, fragment.selectionSet, names, rest);
    }
    if (node.kind === Kind.INLINE_FRAGMENT) return follow(info, node.selectionSet, names, rest);
    if (node.name.value !== name) return false;
    if (!node.selectionSet) return deeper.length === 0 && rest.length === 0;
    return deeper.length > 0 ? follow(info, node.selectionSet, deeper, rest) : walk(info, node.selectionSet, rest);
  });
}
