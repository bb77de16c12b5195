import { setImmediate as otherWork } from 'node:timers/promises';
import { ChangeType, CriticalityLevel, diff, type Change } from '@graphql-inspector/core';
import { Kind, parse, validate, type DocumentNode, type GraphQLSchema } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { LiveDocument } from '../documents/trusted-documents.js';
import { usageOf, type Place, type Usage } from './usage.js';

/** A change of a schema, in words. */
export interface SchemaChange {
  message: string;
  /** What changed, such as `Employee.name`; empty where that has no name. */
  coordinate: string;
}

/** A change that a live document feels, and where. */
export interface FeltChange extends SchemaChange, Place {
  document: LiveDocument;
}

/** What lies between two schemas, for those who use the one before. */
export interface ContractReport {
  /** Breaking, and felt by a live document; one entry for each document and change. */
  felt: FeltChange[];
  /** Breaking, and used by no live document. */
  unfelt: SchemaChange[];
  /** Not breaking, but a client may behave otherwise than before. */
  dangerous: SchemaChange[];
}

/** Felt changes that are told at the most. */
const maxFelt = 1_000;
/** The event loop is held no longer than about this at a time. */
const sliceMs = 10;
/** Parsed documents that are remembered, by the length of their texts. */
const maxParsedCharacters = 4_000_000;

/**
 * What live documents feel of a change of the schema. A document feels a breaking change if it uses what changed, and it
 * feels any change by which it is no longer valid. Lets other work pass while it looks.
 * @param before the schema that the documents were written for
 */
export async function contractProblems(before: GraphQLSchema, after: GraphQLSchema, documents: readonly LiveDocument[]): Promise<ContractReport> {
  const changes = await diff(before, after);
  const breaking = changes.filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking);
  const watched = breaking.map((change) => ({ change, coordinates: feltAt(change) }));
  const concerns = concernedBy(changes);
  const felt: FeltChange[] = [];
  const feltChanges = new Set<Change>();
  for await (const document of inSlices(changes.length === 0 ? [] : documents)) {
    const parsed = parsedDocument(document.text);
    if (!parsed) continue;
    const usage = usageOf(before, parsed);
    if (!concerns(usage)) continue;
    const used = watched.flatMap(({ change, coordinates }) => {
      const place = coordinates.map((coordinate) => usage.get(coordinate)).find((at) => at !== undefined);
      return place ? [{ change, place }] : [];
    });
    for (const { change, place } of used) {
      feltChanges.add(change);
      if (felt.length < maxFelt) felt.push({ ...told(change), ...place, document });
    }
    if (used.length === 0 && felt.length < maxFelt) felt.push(...newlyInvalid(before, after, parsed).map((problem) => ({ ...problem, document })));
  }
  return {
    felt,
    unfelt: breaking.filter((change) => !feltChanges.has(change)).map(told),
    dangerous: changes.filter(({ criticality }) => criticality.level === CriticalityLevel.Dangerous).map(told),
  };
}

/** The live documents that are not valid, each with why and where; those that cannot even be read among them. */
export async function invalidDocuments(schema: GraphQLSchema, documents: readonly LiveDocument[]): Promise<FeltChange[]> {
  const invalid: FeltChange[] = [];
  for await (const document of inSlices(documents)) {
    const parsed = parsedDocument(document.text);
    const problems = parsed ? invalidities(schema, parsed) : [{ message: 'It is no GraphQL document', coordinate: '', operation: null, line: 1, column: 1 }];
    if (invalid.length < maxFelt) invalid.push(...problems.map((problem) => ({ ...problem, document })));
  }
  return invalid;
}

/** Gives one after the other, and lets other work pass in between. */
async function* inSlices<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  let sliceBegan = performance.now();
  for (const item of items) {
    if (performance.now() - sliceBegan > sliceMs) {
      await otherWork();
      sliceBegan = performance.now();
    }
    yield item;
  }
}

const told = ({ message, path }: Change): SchemaChange => ({ message, coordinate: path ?? '' });

/** The coordinates by whose use a breaking change is felt. */
function feltAt(change: Change): string[] {
  const path = change.path ?? '';
  const owner = path.slice(0, Math.max(0, path.lastIndexOf('.')));
  switch (change.type) {
    // What must be given from now on is missing wherever its owner is used.
    case ChangeType.FieldArgumentAdded:
    case ChangeType.InputFieldAdded:
      return [owner];
    case ChangeType.DirectiveArgumentAdded:
    case ChangeType.DirectiveLocationRemoved:
    case ChangeType.DirectiveRepeatableRemoved:
      return [path.split('.')[0] ?? path];
    // Whoever gives it may give another type; whoever does not may have to.
    case ChangeType.FieldArgumentTypeChanged:
    case ChangeType.InputFieldTypeChanged:
      return becameRequired(change) ? [path, owner] : [path];
    case ChangeType.DirectiveArgumentTypeChanged:
      return [path, path.split('.')[0] ?? path];
    // The type itself is as it was; what finds it by the interface no longer does.
    case ChangeType.ObjectTypeInterfaceRemoved:
      return [(change as Change<typeof ChangeType.ObjectTypeInterfaceRemoved>).meta.removedInterfaceName];
    case ChangeType.SchemaQueryTypeChanged:
    case ChangeType.SchemaMutationTypeChanged:
    case ChangeType.SchemaSubscriptionTypeChanged:
      return [];
    default:
      return [path];
  }
}

function becameRequired({ meta }: Change): boolean {
  const { oldArgumentType, newArgumentType, oldInputFieldType, newInputFieldType } = meta as Partial<Record<string, string>>;
  const [was, is] = [oldArgumentType ?? oldInputFieldType ?? '', newArgumentType ?? newInputFieldType ?? ''];
  return is.endsWith('!') && !was.endsWith('!');
}

/** Changes of which types stand together: a document that uses none of the types that changed may feel these all the same. */
const kinship: ReadonlySet<string> = new Set([
  ChangeType.TypeRemoved,
  ChangeType.TypeKindChanged,
  ChangeType.ObjectTypeInterfaceRemoved,
  ChangeType.ObjectTypeInterfaceAdded,
  ChangeType.UnionMemberRemoved,
  ChangeType.UnionMemberAdded,
  ChangeType.SchemaQueryTypeChanged,
  ChangeType.SchemaMutationTypeChanged,
  ChangeType.SchemaSubscriptionTypeChanged,
]);

/** Tells the documents that a change may concern from those that it cannot: most changes concern few. */
function concernedBy(changes: readonly Change[]): (usage: Usage) => boolean {
  if (changes.some(({ type }) => kinship.has(type as string))) return () => true;
  const types = changes.map(({ path }) => path?.split('.')[0] ?? '');
  return (usage) => types.some((type) => usage.has(type));
}

/** Why a document that was valid is valid no more. */
function newlyInvalid(before: GraphQLSchema, after: GraphQLSchema, document: DocumentNode): (SchemaChange & Place)[] {
  const problems = invalidities(after, document);
  return problems.length === 0 || validate(before, document).length > 0 ? [] : problems;
}

function invalidities(schema: GraphQLSchema, document: DocumentNode): (SchemaChange & Place)[] {
  const operation = document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION)?.name?.value ?? null;
  return validate(schema, document).map(({ message, locations }) => ({ message, coordinate: '', operation, line: locations?.[0]?.line ?? 1, column: locations?.[0]?.column ?? 1 }));
}

const parsedTexts = new LRUCache<string, DocumentNode>({ maxSize: maxParsedCharacters, sizeCalculation: (_document, text) => Math.max(1, text.length) });

/** Null where the text is no document: it fails as things are, and no change breaks it. */
function parsedDocument(text: string): DocumentNode | null {
  const known = parsedTexts.get(text);
  if (known) return known;
  try {
    const document = parse(text);
    parsedTexts.set(text, document);
    return document;
  } catch {
    return null;
  }
}
