import { loading, rowById } from '../../graphql/context/loader-factories.js';
import type { NodeSources } from '../../graphql/relay/node.js';
import { documentsById, releasesById, usesById } from './document.queries.js';
import type { UsageWriter } from './usage.writer.js';

const releaseById = rowById(releasesById);
const documentById = rowById(documentsById);
const useById = rowById(usesById);

/** Node sources; access requires permission for the lists. */
export const documentNodes = (usage: Pick<UsageWriter, 'write'>): NodeSources => ({
  release: { type: 'DocumentRelease', readAs: 'documentReleases', read: loading(releaseById) },
  document: { type: 'PublishedDocument', readAs: 'documentReleases', read: loading(documentById) },
  documentuse: {
    type: 'DocumentUsage',
    readAs: 'documentUsage',
    async read(ids, context) {
      await usage.write();
      return loading(useById)(ids, context);
    },
  },
});
