import { hash } from 'node:crypto';
import { BadRequest } from '../errors/app-error.js';
import type { SentOperation } from './sent-operation.js';

/**
 * The ID of a document: the SHA-256 of its text, or a name that each release of a client defines, such as the SHA-1 that
 * codegen's client preset generates by default.
 */
export type DocumentId = Sha256Id | { kind: 'name'; name: string };

interface Sha256Id {
  kind: 'sha256';
  hash: string;
}

/** The forms of an ID, as the end of an error message. */
export const idForms =
  'must be "sha256:" and 64 lower-case hexadecimal characters, or a name of 1 to 200 of the characters A-Z a-z 0-9 - . _ ~';

/**
 * Reads an ID as it was sent or published, after the appendix Persisted Documents of GraphQL over HTTP. 64 hexadecimal
 * characters are a SHA-256 without the prefix too, as Apollo's tools write it. @returns null for any other form.
 */
export function readDocumentId(value: unknown): DocumentId | null {
  if (typeof value !== 'string') return null;
  const sha256 = /^(?:sha256:)?([0-9a-f]{64})$/.exec(value)?.[1];
  if (sha256 !== undefined) return { kind: 'sha256', hash: sha256 };
  // The specification reserves prefixes other than `sha256:` and `x-…:`.
  return /^(?:x-[\w.~-]{1,98}:)?[\w.~-]{1,100}$|^[\w.~-]{1,200}$/.test(value) ? { kind: 'name', name: value } : null;
}

/** The SHA-256 of a document's text, in lower-case hexadecimal characters. */
export const hashOf = (text: string): string => hash('sha256', text);

/** How a request identifies its document: by its text, by an ID, or by both if the text is to be stored under its hash. */
export type DocumentRequest =
  { text: string; id: Sha256Id | null } | { text: null; id: DocumentId; isAutomatic: boolean };

/**
 * Reads the forms in which clients identify a document: `query`; `documentId`, after the appendix Persisted Documents of GraphQL
 * over HTTP; `id`, as users of codegen's client preset send it; `extensions.persistedQuery`, as Apollo's clients do.
 * @returns null if none is present, or if `query` is not a string, which Apollo Server reports itself
 * @throws BadRequest if an ID has another form, or the forms contradict each other
 */
export function readDocumentRequest(sent: SentOperation): DocumentRequest | null {
  const { query, documentId, id } = sent;
  const automatic = automaticId(sent.extensions);
  const ids = [
    ...(documentId == null ? [] : [idIn('documentId', documentId)]),
    ...(id == null ? [] : [idIn('id', id)]),
    ...(automatic === undefined ? [] : [idIn('extensions.persistedQuery.sha256Hash', automatic)]),
  ];
  const [first] = ids;
  if (ids.some((other) => nameOf(other) !== nameOf(first))) {
    throw new BadRequest(
      'The request names different documents in documentId, id and extensions.persistedQuery; send one of them.',
    );
  }
  if (query == null || query === '')
    return first ? { text: null, id: first, isAutomatic: automatic !== undefined } : null;
  if (!first) return typeof query === 'string' ? { text: query, id: null } : null;
  if (typeof query !== 'string') throw new BadRequest('The field query must be a string.');
  if (documentId != null || id != null) {
    throw new BadRequest('The request has both the text and the ID of a document; send one of them.');
  }
  if (first.kind !== 'sha256') {
    throw new BadRequest(
      'The request has a text and an extensions.persistedQuery.sha256Hash that is not a SHA-256; send the SHA-256 of the text.',
    );
  }
  return { text: query, id: first };
}

/** The operation with the text as `query`, and without any form of ID. */
export function withText(sent: SentOperation, text: string): SentOperation {
  const extensions = isRecord(sent.extensions) ? without(sent.extensions, ['persistedQuery']) : {};
  return {
    ...without(sent, ['documentId', 'id', 'extensions']),
    query: text,
    ...(Object.keys(extensions).length > 0 ? { extensions } : {}),
  };
}

const without = (record: SentOperation, keys: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));

/** The hash in `extensions.persistedQuery`; undefined if that is absent. */
function automaticId(extensions: unknown): unknown {
  const persistedQuery = isRecord(extensions) ? extensions.persistedQuery : undefined;
  if (persistedQuery == null) return undefined;
  if (!isRecord(persistedQuery) || persistedQuery.version !== 1 || persistedQuery.sha256Hash == null) {
    throw new BadRequest('extensions.persistedQuery must be { "version": 1, "sha256Hash": "…" }.');
  }
  return persistedQuery.sha256Hash;
}

function idIn(field: string, value: unknown): DocumentId {
  const id = readDocumentId(value);
  if (!id) throw new BadRequest(`The field ${field} ${idForms}.`);
  return id;
}

const nameOf = (id: DocumentId | undefined): string | undefined => (id?.kind === 'sha256' ? id.hash : id?.name);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
