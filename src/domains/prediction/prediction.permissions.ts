import { Role } from '../../auth/viewer.js';
import { and, hasScope, isSignedIn, permit, type Permissions } from '../../graphql/permissions.js';
import { Forbidden, Unauthenticated } from '../../shared/errors.js';
import type { UserRow } from '../user/user.types.js';

const mayPredict = and(isSignedIn, hasScope('predict'));

const isOwnOrAdministrators = permit<UserRow>(({ viewer, parent }) => {
  if (viewer.kind === 'stranger') return new Unauthenticated(viewer.reason);
  return viewer.role === Role.ADMIN || viewer.userId === parent.id ? true : new Forbidden("You may not see this user's predictions.");
});

export const predictionPermissions: Permissions = {
  Query: {
    models: mayPredict,
    model: mayPredict,
    predict: mayPredict,
    prediction: mayPredict,
    predictions: mayPredict,
  },
  User: { predictions: and(mayPredict, isOwnOrAdministrators) },
};
