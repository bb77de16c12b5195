import { Role } from '../../auth/viewer.js';
import {
  allow,
  and,
  chain,
  hasRole,
  isSession,
  isSignedIn,
  lacksScope,
  isCurrentAdministrator,
  permit,
  type GuardedCall,
  type Permissions,
} from '../../graphql/permissions/rules.js';
import { Forbidden, ReauthenticationRequired, Unauthenticated, type AppError } from '../../errors/app-error.js';
import { endReasons } from '../../auth/credential-changes.js';
import { authenticationOf, reauthenticationMs } from './reauthentication.service.js';

/** API keys and tokens of an issuer need a scope to read the employee; sessions and the result of signing in do not. */
const keyMayReadEmployees = permit(
  ({ viewer }) =>
    viewer.kind !== 'anonymous' && !viewer.scopes.includes('employees:read')
      ? lacksScope(viewer, 'employees:read')
      : true,
  'contextual',
);

const mayReadUsers = and(isSession, hasRole(Role.ADMIN));
const mayChangeUsers = chain(isSession, hasRole(Role.ADMIN), isCurrentAdministrator);

/**
 * Requires a session that is still open and whose user proved the password or a code lately, so that a stolen access token creates
 * no credential that outlives it.
 */
async function wasRecentlyAuthenticated({ viewer, context }: GuardedCall): Promise<true | AppError> {
  if (viewer.kind === 'anonymous') return new Unauthenticated(viewer.reason);
  const authenticatedAt = await authenticationOf(context.em, viewer);
  if (authenticatedAt === null) return new Unauthenticated(endReasons.session);
  return Date.now() - authenticatedAt.getTime() <= reauthenticationMs ? true : new ReauthenticationRequired();
}

const isRecentlyAuthenticated = permit(wasRecentlyAuthenticated);

const mayCreateCredentials = chain(isSession, isRecentlyAuthenticated);

/** A link is a credential of another user. */
const mayInviteUsers = chain(isSession, hasRole(Role.ADMIN), isCurrentAdministrator, isRecentlyAuthenticated);
/** A challenge of `login`, which the resolver verifies, stands for the proof of the password. */
const maySetUpMfa = permit<unknown, { challenge?: string | null }>((call) => {
  if (call.args.challenge != null) return true;
  const { viewer } = call;
  if (viewer.kind !== 'anonymous' && viewer.kind !== 'session')
    return new Forbidden('Only a session may do this; sign in.');
  return wasRecentlyAuthenticated(call);
});

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
    verifyMfa: allow,
    beginMfaSetup: maySetUpMfa,
    confirmMfaSetup: maySetUpMfa,
    regenerateRecoveryCodes: mayCreateCredentials,
    disableMfa: mayCreateCredentials,
    resetMfa: chain(mayChangeUsers, isRecentlyAuthenticated),
    refreshSession: allow,
    signInWithCode: allow,
    logout: isSession,
    changePassword: isSession,
    reauthenticate: isSession,
    endSession: isSession,
    inviteUser: mayInviteUsers,
    startPasswordReset: mayInviteUsers,
    requestPasswordReset: allow,
    requestRegistration: allow,
    setPassword: allow,
    setUserRole: mayChangeUsers,
    setUserActive: mayChangeUsers,
    setUserEmployee: mayChangeUsers,
    setUserIdentity: chain(mayChangeUsers, isRecentlyAuthenticated),
    createApiKey: mayCreateCredentials,
    revokeApiKey: isSession,
  },
  // Of the users whom the viewer may see: an API key may not manage accounts.
  AccountLinkPayload: { user: isSession },
  User: { employee: keyMayReadEmployees, sessions: isSession, apiKeys: isSession, mfa: isSession },
  // The caller has just proved to be this user.
  Session: { user: allow },
};
