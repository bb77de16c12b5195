import { GraphQLError, Kind, parse, type DocumentNode, type OperationDefinitionNode } from 'graphql';
import { hashOf, idForms, readDocumentId } from './document-request.js';

/** A document of a manifest. */
export interface ManifestDocument {
  /** The ID as written in the manifest. */
  id: string;
  text: string;
  /** SHA-256 of the text. */
  hash: string;
  /** The name of the first operation; null if it has none. */
  operationName: string | null;
}

export interface ManifestProblem {
  /** The document's ID; empty for a problem of the whole manifest. */
  entry: string;
  message: string;
}

/** Bounds of a manifest. */
export const manifestLimits = {
  documents: 2_000,
  charactersPerDocument: 100_000,
  characters: 4_000_000,
  tokensPerDocument: 20_000,
};

const maxProblems = 100;

/**
 * Reads the documents of a release from the `persistedDocuments` of codegen's client preset, `{ "<id>": "<text>" }`, or from
 * Apollo's persisted query manifest. @returns every invalid entry, up to 100, or the documents if there is none
 */
export function readManifest(manifest: unknown): { documents: ManifestDocument[]; problems: ManifestProblem[] } {
  const { entries, problems } = entriesOf(manifest);
  const whole = problems.length > 0 ? problems : sizeProblems(entries);
  if (whole.length > 0) return { documents: [], problems: whole };
  const documents: ManifestDocument[] = [];
  const seen = new Set<string>();
  for (const entry of entries) {
    const read = readEntry(entry);
    const message = seen.has(entry.id) ? 'appears twice' : read.problem;
    seen.add(entry.id);
    if (message !== null) problems.push({ entry: entry.id.slice(0, 200), message });
    else if (read.document) documents.push(read.document);
    if (problems.length === maxProblems) break;
  }
  return { documents: problems.length > 0 ? [] : documents, problems };
}

/** A document's ID and text, and the operation that Apollo's manifest names. */
interface Entry {
  id: string;
  text: unknown;
  operation?: { name: unknown; type: unknown };
}

function entriesOf(manifest: unknown): { entries: Entry[]; problems: ManifestProblem[] } {
  const invalid = (message: string) => ({ entries: [], problems: [{ entry: '', message }] });
  if (!isRecord(manifest))
    return invalid(
      'must be a JSON object: codegen\'s persistedDocuments, { "<id>": "<text>" }, or Apollo\'s persisted query manifest',
    );
  if (!Array.isArray(manifest.operations)) {
    return { entries: Object.entries(manifest).map(([id, text]) => ({ id, text })), problems: [] };
  }
  if (manifest.format !== 'apollo-persisted-query-manifest' || manifest.version !== 1) {
    return invalid('must have "format": "apollo-persisted-query-manifest" and "version": 1 beside its operations');
  }
  const problems: ManifestProblem[] = [];
  const entries = manifest.operations.flatMap((operation: unknown, at): Entry[] => {
    if (isRecord(operation) && typeof operation.id === 'string')
      return [{ id: operation.id, text: operation.body, operation: { name: operation.name, type: operation.type } }];
    if (problems.length < maxProblems)
      problems.push({ entry: `operations[${at}]`, message: 'must have an id, a name, a type and a body' });
    return [];
  });
  return { entries, problems };
}

function sizeProblems(entries: readonly Entry[]): ManifestProblem[] {
  const { documents, characters } = manifestLimits;
  const problem = (message: string): ManifestProblem[] => [{ entry: '', message }];
  if (entries.length === 0) return problem('has no documents');
  if (entries.length > documents) return problem(`has ${entries.length} documents; at most ${documents} are allowed`);
  const size = entries.reduce((sum, { text }) => sum + (typeof text === 'string' ? text.length : 0), 0);
  return size > characters ? problem(`has texts of ${size} characters; at most ${characters} are allowed`) : [];
}

function readEntry({ id, text, operation }: Entry): { document: ManifestDocument | null; problem: string | null } {
  const invalid = (problem: string) => ({ document: null, problem });
  const readId = readDocumentId(id);
  if (!readId) return invalid(`has an invalid ID: it ${idForms}`);
  if (typeof text !== 'string') return invalid('must have a text');
  if (text.length > manifestLimits.charactersPerDocument)
    return invalid(`is longer than ${manifestLimits.charactersPerDocument} characters`);
  // PostgreSQL's `text` stores neither, and a lone surrogate has no UTF-8 encoding that could be hashed.
  if (text.includes('\0') || !text.isWellFormed()) return invalid('contains a NUL or a lone surrogate');
  const hash = hashOf(text);
  if (readId.kind === 'sha256' && readId.hash !== hash)
    return invalid(`has an ID that is not the SHA-256 of its text, which is ${hash}`);
  const read = readText(text);
  if (read.problem !== null) return invalid(read.problem);
  const problem = operation ? operationProblem(read.operations, operation) : null;
  return problem === null
    ? { document: { id, text, hash, operationName: read.operations[0]?.name?.value ?? null }, problem }
    : invalid(problem);
}

function readText(text: string): { operations: OperationDefinitionNode[]; problem: string | null } {
  let document: DocumentNode;
  try {
    document = parse(text, { maxTokens: manifestLimits.tokensPerDocument });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return { operations: [], problem: `line ${error.locations?.[0]?.line ?? 1}: ${error.message}` };
  }
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const others = document.definitions.find(
    ({ kind }) => kind !== Kind.OPERATION_DEFINITION && kind !== Kind.FRAGMENT_DEFINITION,
  );
  if (others) return { operations, problem: 'defines types; a document contains operations and fragments' };
  return { operations, problem: operations.length === 0 ? 'has no operation' : null };
}

/** Checks the operation that Apollo's manifest names beside the text. */
function operationProblem(
  operations: readonly OperationDefinitionNode[],
  { name, type }: { name: unknown; type: unknown },
): string | null {
  const exists = operations.some((operation) => operation.name?.value === name && operation.operation === type);
  return exists ? null : `has no ${String(type).slice(0, 20)} named ${String(name).slice(0, 100)}`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
