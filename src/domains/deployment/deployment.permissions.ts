import { Role } from '../../auth/viewer.js';
import {
  and,
  chain,
  hasRole,
  hasScope,
  isCurrentAdministrator,
  isSession,
  isSignedIn,
  type Permissions,
} from '../../graphql/permissions/rules.js';

/** A person decides which version serves: API keys cannot. */
const canDeploy = chain(isSession, hasRole(Role.ADMIN), isCurrentAdministrator);

export const deploymentPermissions: Permissions = {
  Mutation: {
    promoteModel: canDeploy,
    rollbackModel: canDeploy,
    clearDeployment: canDeploy,
    restartCanary: canDeploy,
  },
  // The rule of `models` with the role: an id reaches a deployment without its model.
  Model: { deployment: and(isSignedIn, hasScope('predict'), hasRole(Role.ADMIN)) },
};
