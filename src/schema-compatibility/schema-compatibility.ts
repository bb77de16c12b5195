import { setImmediate as nextTurn } from 'node:timers/promises';
import { ChangeType, CriticalityLevel, diff, type Change } from '@graphql-inspector/core';
import { Kind, parse, validate, type DocumentNode, type GraphQLSchema } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { LiveDocument } from '../persisted-documents/trusted-documents.js';
import { usageOf, type Place, type Usage } from './field-usage.js';

/** A change of a schema. */
interface SchemaChange {
  message: string;
  /** What changed, such as `Type.field`; empty if that has no schema coordinate. */
  coordinate: string;
}

/** A live document that a change affects, and where. */
export interface AffectedDocument extends SchemaChange, Place {
  document: LiveDocument;
}

/** The differences of two schemas, for the clients of the older one. */
export interface CompatibilityReport {
  /** Breaking changes that affect a live document; one entry per document and change. */
  affected: AffectedDocument[];
  /** Breaking changes that affect no live document. */
  unaffected: SchemaChange[];
  /** Changes that break no document but may change the behaviour of a client. */
  dangerous: SchemaChange[];
}

/** Bounds the report. */
const maxAffected = 1_000;
/** About the longest time that the event loop is blocked. */
const sliceMs = 10;
/** Bounds the cache of parsed documents, by the length of their texts. */
const maxParsedCharacters = 4_000_000;

/**
 * Compares two schemas and finds the live documents that the changes affect: those that use what a breaking change changed, and
 * those that any change makes invalid. Yields to other work between documents.
 * @param before the schema that the documents were written for
 */
export async function checkCompatibility(
  before: GraphQLSchema,
  after: GraphQLSchema,
  documents: readonly LiveDocument[],
): Promise<CompatibilityReport> {
  const changes = await diff(before, after);
  const breaking = changes.filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking);
  const watched = breaking.map((change) => ({ change, coordinates: coordinatesAffectedBy(change) }));
  const mayConcern = concernFilter(changes);
  const affected: AffectedDocument[] = [];
  const affectingChanges = new Set<Change>();
  for await (const document of inSlices(changes.length === 0 ? [] : documents)) {
    const parsed = parsedDocument(document.text);
    if (!parsed) continue;
    const usage = usageOf(before, parsed);
    if (!mayConcern(usage)) continue;
    const used = watched.flatMap(({ change, coordinates }) => {
      const place = coordinates.map((coordinate) => usage.get(coordinate)).find((at) => at !== undefined);
      return place ? [{ change, place }] : [];
    });
    for (const { change, place } of used) {
      affectingChanges.add(change);
      if (affected.length < maxAffected) affected.push({ ...summaryOf(change), ...place, document });
    }
    if (used.length === 0 && affected.length < maxAffected)
      affected.push(...newlyInvalid(before, after, parsed).map((problem) => ({ ...problem, document })));
  }
  return {
    affected,
    unaffected: breaking.filter((change) => !affectingChanges.has(change)).map(summaryOf),
    dangerous: changes.filter(({ criticality }) => criticality.level === CriticalityLevel.Dangerous).map(summaryOf),
  };
}

/** Finds the live documents that are invalid, each with reason and place, including those that cannot be parsed. */
export async function invalidDocuments(
  schema: GraphQLSchema,
  documents: readonly LiveDocument[],
): Promise<AffectedDocument[]> {
  const invalid: AffectedDocument[] = [];
  for await (const document of inSlices(documents)) {
    const parsed = parsedDocument(document.text);
    const problems = parsed
      ? validationProblems(schema, parsed)
      : [{ message: 'It is not a GraphQL document', coordinate: '', operation: null, line: 1, column: 1 }];
    if (invalid.length < maxAffected) invalid.push(...problems.map((problem) => ({ ...problem, document })));
  }
  return invalid;
}

/** Describes an affected document in one line: client, document, place and change. */
export function describeAffected({
  document: { client, version, id },
  operation,
  line,
  column,
  message,
}: AffectedDocument): string {
  const name = operation === null ? '' : ` (${operation})`;
  const sentence = /[.!?]$/.test(message) ? message : `${message}.`;
  return `client ${client} ${version}, document ${id}${name}, line ${line}, column ${column}: ${sentence}`;
}

/** Counts the different documents in words: `2 live documents`. */
export function countLiveDocuments(affected: readonly AffectedDocument[]): string {
  const count = new Set(affected.map(({ document }) => document)).size;
  return `${count} live document${count === 1 ? '' : 's'}`;
}

/** Yields items one by one, and lets other work run in between. */
async function* inSlices<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  let sliceBegan = performance.now();
  for (const item of items) {
    if (performance.now() - sliceBegan > sliceMs) {
      await nextTurn();
      sliceBegan = performance.now();
    }
    yield item;
  }
}

const summaryOf = ({ message, path }: Change): SchemaChange => ({ message, coordinate: path ?? '' });

/** The coordinates whose users a breaking change affects. */
function coordinatesAffectedBy(change: Change): string[] {
  const path = change.path ?? '';
  const owner = path.slice(0, Math.max(0, path.lastIndexOf('.')));
  switch (change.type) {
    // A newly required argument or field is missing wherever its owner is used.
    case ChangeType.FieldArgumentAdded:
    case ChangeType.InputFieldAdded:
      return [owner];
    case ChangeType.DirectiveArgumentAdded:
    case ChangeType.DirectiveLocationRemoved:
    case ChangeType.DirectiveRepeatableRemoved:
      return [path.split('.')[0] ?? path];
    // Documents with it may send another type; documents without it may have to send it.
    case ChangeType.FieldArgumentTypeChanged:
    case ChangeType.InputFieldTypeChanged:
      return becameRequired(change) ? [path, owner] : [path];
    case ChangeType.DirectiveArgumentTypeChanged:
      return [path, path.split('.')[0] ?? path];
    // The type itself is unchanged, but is no longer found through the interface.
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
  const { oldArgumentType, newArgumentType, oldInputFieldType, newInputFieldType } = meta as Partial<
    Record<string, string>
  >;
  const [was, is] = [oldArgumentType ?? oldInputFieldType ?? '', newArgumentType ?? newInputFieldType ?? ''];
  return is.endsWith('!') && !was.endsWith('!');
}

/** Changes in the relations of types, which may affect documents that use none of the changed types. */
const relationChanges: ReadonlySet<string> = new Set([
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

/** Filters out documents that no change can affect: most changes concern few documents. */
function concernFilter(changes: readonly Change[]): (usage: Usage) => boolean {
  if (changes.some(({ type }) => relationChanges.has(type as string))) return () => true;
  const types = changes.map(({ path }) => path?.split('.')[0] ?? '');
  return (usage) => types.some((type) => usage.has(type));
}

/** The problems of a document that was valid before. */
function newlyInvalid(before: GraphQLSchema, after: GraphQLSchema, document: DocumentNode): (SchemaChange & Place)[] {
  const problems = validationProblems(after, document);
  return problems.length === 0 || validate(before, document).length > 0 ? [] : problems;
}

function validationProblems(schema: GraphQLSchema, document: DocumentNode): (SchemaChange & Place)[] {
  const operation =
    document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION)?.name?.value ?? null;
  return validate(schema, document).map(({ message, locations }) => ({
    message,
    coordinate: '',
    operation,
    line: locations?.[0]?.line ?? 1,
    column: locations?.[0]?.column ?? 1,
  }));
}

const parsedTexts = new LRUCache<string, DocumentNode>({
  maxSize: maxParsedCharacters,
  sizeCalculation: (_document, text) => Math.max(1, text.length),
});

/** Null if the text cannot be parsed: it fails already, and no change breaks it. */
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
