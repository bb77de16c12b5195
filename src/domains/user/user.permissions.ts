import { Role } from '../../auth/viewer.js';
import { allow, and, chain, hasRole, isSession, isSignedIn, isStillAdministrator, permit, type Permissions } from '../../graphql/permissions.js';
import { Forbidden } from '../../shared/errors.js';

/** An API key reaches employees only with its scope; a session, and who has just signed in, see the own employee. */
const keyMayReadEmployees = permit(
  ({ viewer }) =>
    viewer.kind === 'apiKey' && !viewer.scopes.includes('employees:read') ? new Forbidden('This API key lacks the scope employees:read.') : true,
  'contextual',
);

const mayReadUsers = and(isSession, hasRole(Role.ADMIN));
const mayChangeUsers = chain(isSession, hasRole(Role.ADMIN), isStillAdministrator);

export const userPermissions: Permissions = {
  Query: {
    me: isSignedIn,
    user: isSignedIn,
    users: mayReadUsers,
    apiKeys: isSession,
  },
  Mutation: {
    register: allow,
    login: allow,
    refreshSession: allow,
    logout: isSession,
    changePassword: isSession,
    setUserRole: mayChangeUsers,
    setUserActive: mayChangeUsers,
    setUserEmployee: mayChangeUsers,
    createApiKey: isSession,
    revokeApiKey: isSession,
  },
  User: { employee: keyMayReadEmployees },
};
