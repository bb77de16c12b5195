import { Role, type AuthenticatedViewer, type Scope, type Viewer } from '../../auth/viewer.js';
import { Forbidden, Unauthenticated, type AppError } from '../../errors/app-error.js';
import type { Context } from '../context/context.js';
import { isPromise } from '../execution/promises.js';
import { allow, and, chain, rule } from './shield.js';

export { allow, and, chain };

export type Rule = ReturnType<ReturnType<typeof rule>>;

/** The rules of a domain by type and field. Every root field must have one. */
export type Permissions = Readonly<Record<string, Readonly<Record<string, Rule | ReturnType<typeof and>>>>>;

/** The call that a rule decides about. */
export interface GuardedCall<Parent = unknown, Args = unknown> {
  viewer: Viewer;
  parent: Parent;
  args: Args;
  context: Context;
}

type Verdict = true | AppError;

/**
 * Creates a rule from a function that returns `true`, or the error for the caller. An error while deciding is reported as that
 * error.
 * @param cache `contextual` if the verdict depends on the viewer alone: it is decided once per request
 */
export function permit<Parent = unknown, Args = unknown>(
  decide: (call: GuardedCall<Parent, Args>) => Verdict | Promise<Verdict>,
  cache: 'contextual' | 'no_cache' = 'no_cache',
): Rule {
  return rule({ cache })((parent: Parent, args: Args, context: Context) => {
    try {
      const verdict = decide({ viewer: context.viewer, parent, args, context });
      return isPromise(verdict) ? verdict.catch(asError) : verdict;
    } catch (error) {
      return asError(error);
    }
  });
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Requires a credential. */
export const isSignedIn = permit(
  ({ viewer }) => (viewer.kind === 'anonymous' ? new Unauthenticated(viewer.reason) : true),
  'contextual',
);

/** Requires one of the roles. */
export const hasRole = (...roles: Role[]): Rule =>
  permit(({ viewer }) => {
    if (viewer.kind === 'anonymous') return new Unauthenticated(viewer.reason);
    return roles.includes(viewer.role)
      ? true
      : new Forbidden(`This needs the role ${roles.join(' or ')}; yours is ${viewer.role}.`);
  }, 'contextual');

/**
 * Requires a current administrator. An access token outlives a demotion by minutes, and a former administrator must not undo it.
 * Checked for each field, since an earlier field of the operation may have demoted the caller.
 */
export const isCurrentAdministrator = permit(async ({ context }) =>
  (await context.currentRole()) === Role.ADMIN ? true : new Forbidden('You are no longer an administrator.'),
);

/** Requires a credential with the scope: any session, or an API key or token of another issuer that was granted it. */
export const hasScope = (scope: Scope): Rule =>
  permit(({ viewer }) => {
    if (viewer.kind === 'anonymous') return new Unauthenticated(viewer.reason);
    return viewer.scopes.includes(scope) ? true : lacksScope(viewer, scope);
  }, 'contextual');

/** The error for a credential without the scope. */
export const lacksScope = ({ kind }: AuthenticatedViewer, scope: Scope): Forbidden =>
  new Forbidden(`This ${kind === 'apiKey' ? 'API key' : 'access token'} lacks the scope ${scope}.`);

/** Requires a session; an API key or a token of another issuer may not manage accounts. */
export const isSession = permit(({ viewer }) => {
  if (viewer.kind === 'anonymous') return new Unauthenticated(viewer.reason);
  return viewer.kind === 'session'
    ? true
    : new Forbidden(
        viewer.kind === 'apiKey'
          ? 'An API key may not do this; sign in with e-mail and password.'
          : 'An access token of another issuer may not do this; sign in.',
      );
}, 'contextual');

/**
 * Returns the viewer of a field whose rule requires a credential.
 * @throws Unauthenticated for an anonymous viewer
 */
export function requireViewer({ viewer }: Context): AuthenticatedViewer {
  if (viewer.kind === 'anonymous') throw new Unauthenticated(viewer.reason);
  return viewer;
}
