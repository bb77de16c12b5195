import type { LoaderKind } from '../../graphql/context.js';
import { pageByOwner } from '../../graphql/loaders.js';
import { documentPagesByRelease, usesOf, type UseKey } from './document.queries.js';
import type { PublishedRow, UsageRow } from './document.types.js';

/** A page of the documents of a release. */
export const documentsByRelease = pageByOwner<PublishedRow>(documentPagesByRelease, (row) => row.releaseId);

/** How often a client sent a document; null if never. */
export const useOfDocument: LoaderKind<UseKey, UsageRow | null> = {
  keyOf: ({ hash, client, version }) => JSON.stringify([hash, client, version]),
  batch: (db) => async (keys) => {
    const rows = await usesOf(db, keys);
    return keys.map((key) => rows.find(({ hash, client, clientVersion }) => hash === key.hash && client === key.client && clientVersion === key.version) ?? null);
  },
};
