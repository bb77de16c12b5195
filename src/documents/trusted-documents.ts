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

/** Every document of the releases. */
export const liveDocumentsOf = (releases: readonly Release[]): LiveDocument[] =>
  releases.flatMap(({ client, version, documents }) => documents.map(({ id, text }) => ({ client, version, id, text })));

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
  #byName: ReadonlyMap<string, Named> = new Map();

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
    const named = this.#byName.get(id.name);
    if (!named) return { kind: 'unknown' };
    const document = named.only ?? ofClient(named.all, client);
    return document ? found(document) : { kind: 'ambiguous' };
  }

  /** Every document of every release. */
  all(): readonly LiveDocument[] {
    return liveDocumentsOf(this.#releases());
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

/** What releases call by a name. */
interface Named {
  /** The document that all of them mean; null where they mean different ones. */
  only: TrustedDocument | null;
  all: { release: Release; document: TrustedDocument }[];
}

const found = (document: TrustedDocument | undefined): Found => (document ? { kind: 'found', document } : { kind: 'unknown' });

/** What the client means by a name: what all of its versions mean, or else the version that it says. */
function ofClient(all: Named['all'], { name, version }: Client): TrustedDocument | null {
  const released = all.filter(({ release }) => release.client === name);
  return onlyOne(released) ?? onlyOne(released.filter(({ release }) => release.version === version));
}

function onlyOne(released: Named['all']): TrustedDocument | null {
  const [first, ...others] = released;
  return first && others.every(({ document }) => document === first.document) ? first.document : null;
}
