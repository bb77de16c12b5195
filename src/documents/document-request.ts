import type { SentOperation } from './document-gate.js';
import { idForms, readDocumentId, type DocumentId } from './document-id.js';
import { MalformedDocumentRequest } from './refusals.js';

/** Which document a request is about: by its text, by an id, or, for a text to be remembered under its hash, by both. */
export type DocumentRequest = { text: string; id: Sha256 | null } | { text: null; id: DocumentId; isAutomatic: boolean };

type Sha256 = Extract<DocumentId, { kind: 'sha256' }>;

/**
 * Reads the forms in which a client says which document it wants: `query`; `documentId`, after the appendix Persisted Documents
 * of GraphQL over HTTP; `id`, as users of codegen's client preset send it; `extensions.persistedQuery`, as Apollo's clients do.
 * Null where there is none of them, or where `query` is no text: Apollo Server has its own words for that.
 * @throws MalformedDocumentRequest where an id has another form, or forms contradict each other
 */
export function readDocumentRequest(sent: SentOperation): DocumentRequest | null {
  const { query, documentId, id } = sent;
  const automatic = automaticId(sent.extensions);
  const given = [
    ...(documentId == null ? [] : [idIn('documentId', documentId)]),
    ...(id == null ? [] : [idIn('id', id)]),
    ...(automatic === undefined ? [] : [idIn('extensions.persistedQuery.sha256Hash', automatic)]),
  ];
  const [first] = given;
  if (given.some((other) => nameOf(other) !== nameOf(first))) {
    throw new MalformedDocumentRequest('The request names different documents in documentId, id and extensions.persistedQuery; send one of them.');
  }
  if (query == null || query === '') return first ? { text: null, id: first, isAutomatic: automatic !== undefined } : null;
  if (!first) return typeof query === 'string' ? { text: query, id: null } : null;
  if (typeof query !== 'string') throw new MalformedDocumentRequest('The field query must be a text.');
  if (documentId != null || id != null) {
    throw new MalformedDocumentRequest('The request brings both a text and the id of a document; send one of the two.');
  }
  if (first.kind !== 'sha256') {
    throw new MalformedDocumentRequest('A text goes with extensions.persistedQuery.sha256Hash only where that is the SHA-256 of the text.');
  }
  return { text: query, id: first };
}

/** The operation with its text, and without the forms of an id. */
export function withText(sent: SentOperation, text: string): SentOperation {
  const extensions = isRecord(sent.extensions) ? without(sent.extensions, ['persistedQuery']) : {};
  return { ...without(sent, ['documentId', 'id', 'extensions']), query: text, ...(Object.keys(extensions).length > 0 ? { extensions } : {}) };
}

const without = (record: SentOperation, keys: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));

/** What `extensions.persistedQuery` gives for a hash; undefined where it is absent. */
function automaticId(extensions: unknown): unknown {
  const persistedQuery = isRecord(extensions) ? extensions.persistedQuery : undefined;
  if (persistedQuery == null) return undefined;
  if (!isRecord(persistedQuery) || persistedQuery.version !== 1 || persistedQuery.sha256Hash == null) {
    throw new MalformedDocumentRequest('extensions.persistedQuery must be { "version": 1, "sha256Hash": "…" }.');
  }
  return persistedQuery.sha256Hash;
}

function idIn(field: string, given: unknown): DocumentId {
  const id = readDocumentId(given);
  if (!id) throw new MalformedDocumentRequest(`The field ${field} ${idForms}.`);
  return id;
}

const nameOf = (id: DocumentId | undefined): string | undefined => (id?.kind === 'sha256' ? id.hash : id?.name);

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
