import type { DomainModule } from '../../graphql/module.js';
import { documentNodes } from './document.nodes.js';
import { documentPermissions } from './document.permissions.js';
import { DocumentReleaseResolver, DocumentUsageResolver, PublishedDocumentResolver } from './document.resolver.js';
import { ownRelease } from './built-in-documents.js';
import { PublicationWatcher } from './publication.watcher.js';
import { PublishedDocument } from './published-document.entity.js';
import { DocumentRelease } from './release.entity.js';
import { DocumentUsageRecord } from './usage.entity.js';
import { UsageWriter } from './usage.writer.js';

/** Which documents clients were released with, and how often they are used. */
export const documentDomain: DomainModule = {
  name: 'document',
  entities: [DocumentRelease, PublishedDocument, DocumentUsageRecord],
  resolvers: [DocumentReleaseResolver, PublishedDocumentResolver, DocumentUsageResolver],
  permissions: documentPermissions,
  load({ db, databaseUrl, documents: { trusted, usage }, audit, log }) {
    const publications = new PublicationWatcher({ db, databaseUrl, trusted, log });
    const writer = new UsageWriter({ db, usage, log });
    trusted.replace('own', [ownRelease]);
    return {
      resolvers: [
        new DocumentReleaseResolver(publications, writer, audit),
        new PublishedDocumentResolver(),
        new DocumentUsageResolver(trusted, writer),
      ],
      queue: writer,
      nodes: documentNodes(writer),
      ready: () => publications.ready(),
      async close() {
        await Promise.all([publications.close(), writer.close()]);
      },
    };
  },
};

declare module '../../graphql/relay/global-id.js' {
  interface IdPrefixes {
    release: true;
    document: true;
    documentuse: true;
  }
}
