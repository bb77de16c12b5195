import { Role, type KnownViewer } from '../../auth/viewer.js';
import { and, chain, hasRole, hasScope, isSession, isSignedIn, isStillAdministrator, permit, type Permissions } from '../../graphql/permissions.js';
import { Forbidden, Unauthenticated } from '../../shared/errors.js';
import type { UserRow } from '../user/user.types.js';

/** Asking models, and reading what was answered. */
export const mayPredict = and(isSignedIn, hasScope('predict'));

/** Whose predictions a viewer may read: the own, or, for an administrator, everyone's (null). */
export const ownerFilter = (viewer: KnownViewer): string | null => (viewer.role === Role.ADMIN ? null : viewer.userId);

const isOwnOrAdministrators = permit<UserRow>(({ viewer, parent }) => {
  if (viewer.kind === 'stranger') return new Unauthenticated(viewer.reason);
  return viewer.role === Role.ADMIN || viewer.userId === parent.id ? true : new Forbidden("You may not see this user's predictions.");
});

/** Which version answers whom is a decision of a person, as accounts are. */
const mayDeploy = chain(isSession, hasRole(Role.ADMIN), isStillAdministrator);

const mayOperate = and(isSignedIn, hasRole(Role.ADMIN));

export const predictionPermissions: Permissions = {
  Query: {
    models: mayPredict,
    model: mayPredict,
    predict: mayPredict,
    prediction: mayPredict,
    predictions: mayPredict,
  },
  Mutation: {
    promoteModel: mayDeploy,
    rollbackModel: mayDeploy,
  },
  Subscription: {
    predictionRecorded: mayPredict,
    modelChanged: mayPredict,
  },
  Model: { canary: mayOperate, shadow: mayOperate, problems: mayOperate, deployment: mayOperate },
  ModelVersion: { statistics: mayOperate },
  User: { predictions: and(mayPredict, isOwnOrAdministrators) },
};
