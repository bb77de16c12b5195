import { Role } from '../../auth/viewer.js';
import { and, chain, hasRole, hasScope, isSession, isSignedIn, isStillAdministrator, type Permissions } from '../../graphql/permissions.js';

/** A build publishes by an API key of an administrator's. What it publishes stays; to take it away is a person's decision. */
const mayPublish = chain(isSignedIn, hasScope('documents:publish'), hasRole(Role.ADMIN), isStillAdministrator);
const mayRetire = chain(isSession, hasRole(Role.ADMIN), isStillAdministrator);
const mayRead = and(isSession, hasRole(Role.ADMIN));

export const documentPermissions: Permissions = {
  Query: { documentReleases: mayRead, documentUsage: mayRead },
  Mutation: { publishDocuments: mayPublish, retireDocuments: mayRetire },
  // Also what publishing answers leads to these.
  DocumentRelease: { documents: mayRead, publishedBy: mayRead },
};
