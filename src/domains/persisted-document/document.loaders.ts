import type { LoaderKind } from '../../graphql/context/loader-kind.js';
import { pageByOwner } from '../../graphql/context/loader-factories.js';
import { documentPagesByRelease, usesOf, type UseKey } from './document.queries.js';
import type { PublishedRow, UsageRow } from './document.types.js';

/** A page of the documents of a release. */
export const documentsByRelease = pageByOwner<PublishedRow>(documentPagesByRelease, (row) => row.releaseId);

const textOf = ({ hash, client, version }: UseKey): string => JSON.stringify([hash, client, version]);

/** How often a client sent a document; null if never. */
export const useOfDocument: LoaderKind<UseKey, UsageRow | null> = {
  name: 'useOfDocument',
  keyOf: textOf,
  batch: (db) => async (keys) => {
    const uses = await usesOf(db, keys);
    const byKey = new Map(
      uses.map((use) => [
        textOf({ hash: use.hash ?? '', client: use.client ?? '', version: use.clientVersion ?? '' }),
        use,
      ]),
    );
    return keys.map((key) => byKey.get(textOf(key)) ?? null);
  },
};
