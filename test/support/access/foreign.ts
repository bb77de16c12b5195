import {
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredInputField,
  type GraphQLInputType,
} from 'graphql';
import { domains } from '../../../src/domains/index.js';
import { tableOf } from '../../../src/graphql/tables/existing-table.js';
import type { Caller } from '../gateway.js';
import { callerNames, type CallerName, type Company } from './company.js';
import { callOf, document, idSelection, nodeTypes, rootFields, tableLeaves, type RootField } from './schema.js';

/** A call of a root field with the IDs of objects of others in each argument that takes one. */
export interface ForeignCall {
  name: string;
  operation: RootField['operation'];
  callerName: string;
  caller: Caller;
  query: string;
  variables: Record<string, unknown>;
}

/** Types whose objects every signed-in user may read. */
const openTypes: readonly string[] = ['Employee', 'Department', 'Model', 'ModelVersion', ...tablesWithoutOwner()];

function tablesWithoutOwner(): string[] {
  const entities = domains.flatMap(({ existingTables = [] }) => existingTables);
  return entities.filter((entity) => tableOf(entity).owner === null).map(({ name }) => name);
}

const ownedTypes = nodeTypes.map(({ name }) => name).filter((name) => !openTypes.includes(name));

/** For each outsider, each root field with an argument or input field of the type ID, and each type of object. */
export function foreignCalls({ ids, outsiders }: Company): ForeignCall[] {
  return rootFields
    .filter(({ operation, field }) => operation !== 'subscription' && field.args.some(({ type }) => hasId(type)))
    .flatMap((root) => {
      const types = root.operation === 'mutation' ? [...ids.keys()] : ownedTypes;
      return Object.entries(outsiders).flatMap(([callerName, caller]) =>
        types.map((type) => ({ ...callWith(root, ids, type), callerName, caller })),
      );
    });
}

/** Each mutation with valid arguments, by each caller that has no access to it. */
export function deniedCalls(
  { ids, callers }: Company,
  isDenied: (field: string, caller: CallerName) => boolean,
): ForeignCall[] {
  return rootFields
    .filter(({ operation }) => operation === 'mutation')
    .flatMap((root) =>
      callerNames
        .filter((callerName) => isDenied(root.name, callerName))
        .map((callerName) => ({ ...callWith(root, ids, 'User'), callerName, caller: callers[callerName] })),
    );
}

/** The first part of the IDs of objects that not everyone may read, such as `user_`. */
export const ownedPrefixes = ({ ids }: Company): string[] =>
  ownedTypes.map((type) => `${(ids.get(type)?.[0] ?? '').split('_')[0] ?? ''}_`);

/** @param target the type whose IDs are given where the name of the argument does not say which type it takes */
function callWith({ name, operation, field }: RootField, ids: Company['ids'], target: string) {
  const values = Object.fromEntries(
    field.args.map((arg) => [arg.name, plausible(arg.type, arg.name, { ids, target })]),
  );
  const { declared, text, variables } = callOf(field, values);
  const type = getNamedType(field.type);
  const selection = isObjectType(type) ? idSelection(type, 2) : ' { __typename id }';
  return { name, operation, query: document(operation, declared, `${text}${selection}`), variables };
}

const hasId = (type: GraphQLInputType, depth = 0): boolean => {
  const named = getNamedType(type);
  if (named.name === 'ID') return true;
  return (
    depth < 3 &&
    isInputObjectType(named) &&
    Object.values(named.getFields()).some((field) => hasId(field.type, depth + 1))
  );
};

interface KnownIds {
  ids: Company['ids'];
  target: string;
}

/**
 * A value that the type accepts. Of the optional fields of an input, only those that take an ID.
 * @param within the inputs around it, which filters contain again
 */
function plausible(
  type: GraphQLInputType,
  name: string,
  known: KnownIds,
  within: readonly GraphQLInputType[] = [],
): unknown {
  if (isNonNullType(type)) return plausible(type.ofType, name, known, within);
  if (isListType(type))
    return getNamedType(type).name === 'ID'
      ? known.ids.get(known.target)
      : [plausible(type.ofType, name, known, within)];
  if (isEnumType(type)) return type.getValues()[0]?.name;
  if (isInputObjectType(type))
    return Object.fromEntries(
      Object.values(type.getFields())
        .filter((field) => isRequiredInputField(field) || hasId(field.type))
        .filter((field) => ![type, ...within].includes(getNamedType(field.type)))
        .map((field) => [field.name, plausible(field.type, field.name, known, [type, ...within])]),
    );
  if (type.name === 'ID') return idNamed(name, known);
  return plausibleByName.get(name) ?? plausibleLeaves.get(type.name) ?? 'changed';
}

/** `departmentId` takes the ID of a Department. */
function idNamed(name: string, { ids, target }: KnownIds): string {
  const named = ids.get(`${name[0]?.toUpperCase() ?? ''}${name.slice(1, -2)}`);
  // Not the first, which may be the caller's own.
  return (named ?? ids.get(target) ?? []).at(-1) ?? '';
}

const plausibleByName = new Map<string, unknown>([
  ['email', 'changed@example.org'],
  ['jobLevel', 2],
]);

const plausibleLeaves = new Map<string, unknown>([
  ['Int', 30],
  ['Float', 30],
  ['SafeInt', 30],
  ['Boolean', false],
  ['Date', '2024-01-31'],
  ['DateTime', '2024-01-31T10:00:00Z'],
  ['Currency', 'EUR'],
  ['JSONObject', {}],
  ...tableLeaves,
]);
