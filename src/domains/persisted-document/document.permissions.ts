import { Role } from '../../auth/viewer.js';
import {
  and,
  chain,
  hasRole,
  hasScope,
  isSession,
  isSignedIn,
  isCurrentAdministrator,
  type Permissions,
} from '../../graphql/permissions/rules.js';

/** A build may publish with an administrator's API key; retiring requires a session. */
const mayPublish = chain(isSignedIn, hasScope('documents:publish'), hasRole(Role.ADMIN), isCurrentAdministrator);
const mayRetire = chain(isSession, hasRole(Role.ADMIN), isCurrentAdministrator);
const mayRead = and(isSession, hasRole(Role.ADMIN));

export const documentPermissions: Permissions = {
  Query: { documentReleases: mayRead, documentUsage: mayRead },
  Mutation: { publishDocuments: mayPublish, retireDocuments: mayRetire },
  // The result of publishDocuments leads to these fields, too.
  DocumentRelease: { documents: mayRead, publishedBy: mayRead },
};
