import type { Client } from './document-gate.js';
import type { DocumentId } from './document-id.js';
import { readDocumentId } from './document-id.js';
import type { ManifestDocument } from './manifest.js';

/** The documents that a version of a client was released with. */
export interface Release {
  client: string;
  version: string;
  documents: readonly ManifestDocument[];
}

/** A document that a released client may send at any time. */
export interface LiveDocument {
  client: string;
  version: string;
  id: string;
  text: string;
}

/** A text that is trusted, whoever sends it. */
export interface TrustedDocument {
  hash: string;
  text: string;
  operationName: string | null;
}

/** What an id stands for: one document, none, or different ones of several releases, of which the client does not say which it is. */
export type Found = { kind: 'found'; document: TrustedDocument } | { kind: 'unknown' } | { kind: 'ambiguous' };

/** Which documents are trusted now: the releases of each source together, such as those of files and those of the database. */
export class TrustedDocuments {
  readonly #sources = new Map<string, readonly Release[]>();
  readonly #listeners = new Set<() => void>();
  #byHash: ReadonlyMap<string, TrustedDocument> = new Map();
  #byName: ReadonlyMap<string, readonly NamedDocument[]> = new Map();

  /** Puts the releases of a source in the place of those that it had, all at once. */
  replace(source: string, releases: readonly Release[]): void {
    this.#sources.set(source, releases);
    this.#index();
    for (const listener of this.#listeners) listener();
  }

  /** The document with this SHA-256; null where none that is trusted has it. */
  byHash(hash: string): TrustedDocument | null {
    return this.#byHash.get(hash) ?? null;
  }

  /** What a client means by an id. Releases may use one name for different texts: then the client's name and version decide. */
  byId(id: DocumentId, client: Client): Found {
    if (id.kind === 'sha256') return found(this.#byHash.get(id.hash));
    const named = this.#byName.get(id.name) ?? [];
    if (isOneDocument(named)) return found(named[0]?.document);
    const ofClient = named.filter(({ release }) => release.client === client.name);
    if (isOneDocument(ofClient)) return found(ofClient[0]?.document);
    const ofVersion = ofClient.filter(({ release }) => release.version === client.version);
    return isOneDocument(ofVersion) ? found(ofVersion[0]?.document) : { kind: 'ambiguous' };
  }

  /** Every document of every release. */
  all(): readonly LiveDocument[] {
    return this.#releases().flatMap(({ client, version, documents }) => documents.map(({ id, text }) => ({ client, version, id, text })));
  }

  /** Calls the listener after each change; answers how to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #releases(): Release[] {
    return [...this.#sources.values()].flat();
  }

  #index(): void {
    const byHash = new Map<string, TrustedDocument>();
    const byName = new Map<string, NamedDocument[]>();
    for (const release of this.#releases()) {
      for (const { id, hash, text, operationName } of release.documents) {
        const document = byHash.get(hash) ?? { hash, text, operationName };
        byHash.set(hash, document);
        if (readDocumentId(id)?.kind === 'sha256') continue;
        const named = byName.get(id);
        if (named) named.push({ release, document });
        else byName.set(id, [{ release, document }]);
      }
    }
    this.#byHash = byHash;
    this.#byName = byName;
  }
}

/** What a release calls by a name. */
interface NamedDocument {
  release: Release;
  document: TrustedDocument;
}

const found = (document: TrustedDocument | undefined): Found => (document ? { kind: 'found', document } : { kind: 'unknown' });

/** Whether these are one text, or none at all: several clients may release the same. */
const isOneDocument = (named: readonly NamedDocument[]): boolean => named.every(({ document }) => document === named[0]?.document);
