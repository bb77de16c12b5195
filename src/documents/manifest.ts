import { GraphQLError, Kind, parse, type DocumentNode, type OperationDefinitionNode } from 'graphql';
import { hashOf, idForms, readDocumentId } from './document-id.js';

/** A document as a manifest has it. */
export interface ManifestDocument {
  /** As the manifest writes it. */
  id: string;
  text: string;
  /** SHA-256 of the text. */
  hash: string;
  /** Of the first operation in the text; null where it has no name. */
  operationName: string | null;
}

export interface ManifestProblem {
  /** The document's id; empty where the manifest as a whole is faulty. */
  entry: string;
  message: string;
}

/** What a manifest may hold. */
export const manifestLimits = { documents: 2_000, charactersPerDocument: 100_000, characters: 4_000_000, tokensPerDocument: 20_000 };

/** More are only more of the same. */
const maxProblems = 100;

/**
 * Reads the documents of a release, from what codegen's client preset writes for `persistedDocuments`, `{ "<id>": "<text>" }`,
 * or from Apollo's persisted query manifest. Every faulty entry is named; where there is one, nothing of the manifest counts.
 */
export function readManifest(manifest: unknown): { documents: ManifestDocument[]; problems: ManifestProblem[] } {
  const { entries, problems } = entriesOf(manifest);
  const whole = problems.length > 0 ? problems : sizeProblems(entries);
  if (whole.length > 0) return { documents: [], problems: whole };
  const documents: ManifestDocument[] = [];
  const seen = new Set<string>();
  for (const entry of entries) {
    const read = readEntry(entry);
    const message = seen.has(entry.id) ? 'is there twice' : read.problem;
    seen.add(entry.id);
    if (message !== null) problems.push({ entry: entry.id.slice(0, 200), message });
    else if (read.document) documents.push(read.document);
    if (problems.length === maxProblems) break;
  }
  return { documents: problems.length > 0 ? [] : documents, problems };
}

/** A document's id and text, and what Apollo's manifest says of its operation. */
interface Entry {
  id: string;
  text: unknown;
  operation?: { name: unknown; type: unknown };
}

function entriesOf(manifest: unknown): { entries: Entry[]; problems: ManifestProblem[] } {
  const faulty = (message: string) => ({ entries: [], problems: [{ entry: '', message }] });
  if (!isRecord(manifest)) return faulty('must be a JSON object: codegen\'s persistedDocuments, { "<id>": "<text>" }, or Apollo\'s persisted query manifest');
  if (!Array.isArray(manifest.operations)) {
    return { entries: Object.entries(manifest).map(([id, text]) => ({ id, text })), problems: [] };
  }
  if (manifest.format !== 'apollo-persisted-query-manifest' || manifest.version !== 1) {
    return faulty('must have "format": "apollo-persisted-query-manifest" and "version": 1 beside its operations');
  }
  const problems: ManifestProblem[] = [];
  const entries = manifest.operations.flatMap((operation: unknown, at): Entry[] => {
    if (isRecord(operation) && typeof operation.id === 'string') return [{ id: operation.id, text: operation.body, operation: { name: operation.name, type: operation.type } }];
    if (problems.length < maxProblems) problems.push({ entry: `operations[${at}]`, message: 'must have an id, a name, a type and a body' });
    return [];
  });
  return { entries, problems };
}

function sizeProblems(entries: readonly Entry[]): ManifestProblem[] {
  const { documents, characters } = manifestLimits;
  const problem = (message: string): ManifestProblem[] => [{ entry: '', message }];
  if (entries.length === 0) return problem('holds no documents');
  if (entries.length > documents) return problem(`holds ${entries.length} documents; ${documents} are the most`);
  const size = entries.reduce((sum, { text }) => sum + (typeof text === 'string' ? text.length : 0), 0);
  return size > characters ? problem(`has texts of ${size} characters; ${characters} are the most`) : [];
}

function readEntry({ id, text, operation }: Entry): { document: ManifestDocument | null; problem: string | null } {
  const faulty = (problem: string) => ({ document: null, problem });
  const readId = readDocumentId(id);
  if (!readId) return faulty(`has an id that is none: it ${idForms}`);
  if (typeof text !== 'string') return faulty('must have a text');
  if (text.length > manifestLimits.charactersPerDocument) return faulty(`is longer than ${manifestLimits.charactersPerDocument} characters`);
  // PostgreSQL's text holds neither, and no encoding of a lone surrogate would hash to what the client has.
  if (text.includes('\0') || !text.isWellFormed()) return faulty('holds a character that is none');
  const hash = hashOf(text);
  if (readId.kind === 'sha256' && readId.hash !== hash) return faulty(`has an id that is not the SHA-256 of its text, which is ${hash}`);
  const read = readText(text);
  if (read.problem !== null) return faulty(read.problem);
  const problem = operation ? operationProblem(read.operations, operation) : null;
  return problem === null ? { document: { id, text, hash, operationName: read.operations[0]?.name?.value ?? null }, problem } : faulty(problem);
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
  const others = document.definitions.find(({ kind }) => kind !== Kind.OPERATION_DEFINITION && kind !== Kind.FRAGMENT_DEFINITION);
  if (others) return { operations, problem: 'defines types; a document holds operations and fragments' };
  return { operations, problem: operations.length === 0 ? 'has no operation' : null };
}

/** Apollo's manifest names the operation beside its text. */
function operationProblem(operations: readonly OperationDefinitionNode[], { name, type }: { name: unknown; type: unknown }): string | null {
  const isThere = operations.some((operation) => operation.name?.value === name && operation.operation === type);
  return isThere ? null : `has no ${String(type).slice(0, 20)} named ${String(name).slice(0, 100)}`;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
