import { Role } from '../../auth/viewer.js';
import { and, hasRole, hasScope, isSignedIn, type Permissions } from '../../graphql/permissions/rules.js';

const canReadModels = and(isSignedIn, hasScope('predict'));

/** How a model is operated is for administrators. */
const isOperator = and(isSignedIn, hasRole(Role.ADMIN));

export const modelPermissions: Permissions = {
  Query: { models: canReadModels, model: canReadModels },
  Subscription: { modelChanged: canReadModels },
  Model: { canary: isOperator, shadow: isOperator, problems: isOperator },
  ModelVersion: { statistics: isOperator },
};
