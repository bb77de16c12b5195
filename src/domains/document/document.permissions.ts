import { Role } from '../../auth/viewer.js';
import { and, chain, hasRole, hasScope, isSession, isSignedIn, permit, type Permissions } from '../../graphql/permissions.js';
import { Forbidden } from '../../shared/errors.js';
import { userById } from '../user/user.loaders.js';

/** Who was an administrator when the access token was made may be none now. */
const isStillAdministrator = permit(async ({ viewer, context }) => {
  const user = viewer.kind === 'stranger' ? null : await context.load(userById).load(viewer.userId);
  return user?.isActive === true && user.role === Role.ADMIN ? true : new Forbidden('You are no longer an administrator.');
});

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
