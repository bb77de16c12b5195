import type { Client } from './sent-operation.js';
import { readDocumentId, type DocumentId } from './document-request.js';
import type { ManifestDocument } from './document-manifest.js';

/** The documents of one released version of a client. */
export interface Release {
  client: string;
  version: string;
  documents: readonly ManifestDocument[];
}

/** A document that a released client may send. */
export interface LiveDocument {
  client: string;
  version: string;
  id: string;
  text: string;
}

/** Lists every document of the releases. */
export const liveDocumentsOf = (releases: readonly Release[]): LiveDocument[] =>
  releases.flatMap(({ client, version, documents }) =>
    documents.map(({ id, text }) => ({ client, version, id, text })),
  );

/** A document that is trusted from any client. */
export interface TrustedDocument {
  hash: string;
  text: string;
  operationName: string | null;
}

/** The meaning of an ID: one document, none, or `ambiguous` if releases differ and the client did not name its own. */
export type Found = { kind: 'found'; document: TrustedDocument } | { kind: 'unknown' } | { kind: 'ambiguous' };

/** The documents that are trusted now: the releases of all sources, such as files and the database. */
export class TrustedDocuments {
  readonly #sources = new Map<string, readonly Release[]>();
  readonly #listeners = new Set<() => void>();
  #byHash: ReadonlyMap<string, TrustedDocument> = new Map();
  #byName: ReadonlyMap<string, Named> = new Map();

  /** Replaces all releases of a source at once. */
  replace(source: string, releases: readonly Release[]): void {
    this.#sources.set(source, releases);
    this.#index();
    for (const listener of this.#listeners) listener();
  }

  /** Finds the trusted document with this SHA-256; null if there is none. */
  byHash(hash: string): TrustedDocument | null {
    return this.#byHash.get(hash) ?? null;
  }

  /** Finds the document of an ID. If releases use one name for different texts, the client's name and version decide. */
  byId(id: DocumentId, client: Client): Found {
    if (id.kind === 'sha256') return found(this.#byHash.get(id.hash));
    const named = this.#byName.get(id.name);
    if (!named) return { kind: 'unknown' };
    const document = named.only ?? ofClient(named.all, client);
    return document ? found(document) : { kind: 'ambiguous' };
  }

  /** Lists every document of every release. */
  all(): readonly LiveDocument[] {
    return liveDocumentsOf(this.#releases());
  }

  /** Calls the listener after each change. @returns a function that unsubscribes */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #releases(): Release[] {
    return [...this.#sources.values()].flat();
  }

  #index(): void {
    const byHash = new Map<string, TrustedDocument>();
    const byName = new Map<string, Named>();
    for (const release of this.#releases()) {
      for (const { id, hash, text, operationName } of release.documents) {
        const document = byHash.get(hash) ?? { hash, text, operationName };
        byHash.set(hash, document);
        if (readDocumentId(id)?.kind === 'sha256') continue;
        const named = byName.get(id);
        if (!named) byName.set(id, { only: document, all: [{ release, document }] });
        else {
          named.all.push({ release, document });
          if (named.only !== document) named.only = null;
        }
      }
    }
    this.#byHash = byHash;
    this.#byName = byName;
  }
}

/** The documents that releases publish under one name. */
interface Named {
  /** The document that all of them publish; null if they differ. */
  only: TrustedDocument | null;
  all: { release: Release; document: TrustedDocument }[];
}

const found = (document: TrustedDocument | undefined): Found =>
  document ? { kind: 'found', document } : { kind: 'unknown' };

/** The document of a name for one client: that of all its versions, or else of the version that it sent; null if ambiguous. */
function ofClient(all: Named['all'], { name, version }: Client): TrustedDocument | null {
  const released = all.filter(({ release }) => release.client === name);
  return onlyOne(released) ?? onlyOne(released.filter(({ release }) => release.version === version));
}

function onlyOne(released: Named['all']): TrustedDocument | null {
  const [first, ...others] = released;
  return first && others.every(({ document }) => document === first.document) ? first.document : null;
}
