import { Role, type AuthenticatedViewer } from '../../auth/viewer.js';
import { Forbidden, Unauthenticated } from '../../errors/app-error.js';
import { and, hasScope, isSignedIn, permit, type Permissions } from '../../graphql/permissions/rules.js';
import type { UserRow } from '../user/user.types.js';

/** Running models and reading predictions. */
export const canPredict = and(isSignedIn, hasScope('predict'));

/** The owner whose predictions a viewer may read; null (all) for an ADMIN. */
export const ownerFilter = (viewer: AuthenticatedViewer): string | null =>
  viewer.role === Role.ADMIN ? null : viewer.userId;

const isOwnerOrAdministrator = permit<UserRow>(({ viewer, parent }) => {
  if (viewer.kind === 'anonymous') return new Unauthenticated(viewer.reason);
  return viewer.role === Role.ADMIN || viewer.userId === parent.id
    ? true
    : new Forbidden("You may not read this user's predictions.");
});

export const predictionPermissions: Permissions = {
  Query: { predict: canPredict, prediction: canPredict, predictions: canPredict },
  Subscription: { predictionRecorded: canPredict },
  User: { predictions: and(canPredict, isOwnerOrAdministrator) },
};
