import { loading, rowById } from '../../graphql/loaders.js';
import type { NodeSources } from '../../graphql/node.js';
import { documentsById, releasesById, usesById } from './document.queries.js';
import type { UsageWriter } from './usage.writer.js';

const releaseById = rowById(releasesById);
const documentById = rowById(documentsById);
const useById = rowById(usesById);

/** What of documents can be fetched by id; for those who may read the lists of it. */
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
