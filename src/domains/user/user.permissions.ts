import { Role } from '../../auth/viewer.js';
import { allow, and, hasRole, isSession, isSignedIn, permit, type Permissions } from '../../graphql/permissions.js';
import { Forbidden } from '../../shared/errors.js';

/** An API key reaches employees only with its scope; a session, and who has just signed in, see the own employee. */
const keyMayReadEmployees = permit(
  ({ viewer }) =>
    viewer.kind === 'apiKey' && !viewer.scopes.includes('employees:read') ? new Forbidden('This API key lacks the scope employees:read.') : true,
  'contextual',
);

const isAdministrator = and(isSession, hasRole(Role.ADMIN));

export const userPermissions: Permissions = {
  Query: {
    me: isSignedIn,
    user: isSignedIn,
    users: hasRole(Role.ADMIN),
    apiKeys: isSession,
  },
  Mutation: {
    register: allow,
    login: allow,
    refreshSession: allow,
    logout: isSession,
    changePassword: isSession,
    setUserRole: isAdministrator,
    setUserActive: isAdministrator,
    setUserEmployee: isAdministrator,
    createApiKey: isSession,
    revokeApiKey: isSession,
  },
  User: { employee: keyMayReadEmployees },
};
