import { hash } from 'node:crypto';

/**
 * What a document is called: by the SHA-256 of its text, or by a name that means what the release of a client says it does,
 * such as the SHA-1 that the client preset gives where it is told nothing else.
 */
export type DocumentId = { kind: 'sha256'; hash: string } | { kind: 'name'; name: string };

/** The forms of an id, in words. */
export const idForms = 'must be "sha256:" and 64 lower-case hexadecimal characters, or a name of 1 to 200 of the characters A-Z a-z 0-9 - . _ ~';

/**
 * An id as it was sent or published, after the appendix Persisted Documents of GraphQL over HTTP; null for what has another
 * form. 64 hexadecimal characters are a SHA-256 also without its prefix, as Apollo's tools write it.
 */
export function readDocumentId(given: unknown): DocumentId | null {
  if (typeof given !== 'string') return null;
  const sha256 = /^(?:sha256:)?([0-9a-f]{64})$/.exec(given)?.[1];
  if (sha256 !== undefined) return { kind: 'sha256', hash: sha256 };
  // Prefixes other than sha256 and those that begin with x- are reserved.
  return /^(?:x-[\w.~-]{1,98}:)?[\w.~-]{1,100}$|^[\w.~-]{1,200}$/.test(given) ? { kind: 'name', name: given } : null;
}

/** The SHA-256 of a document's text, in lower-case hexadecimal characters. */
export const hashOf = (text: string): string => hash('sha256', text);
