import { Arg, Ctx, ID, Mutation, Resolver } from 'type-graphql';
import { AuditAction, AuditOutcome } from '../../../audit/audit-event.js';
import { Unauthenticated } from '../../../errors/app-error.js';
import type { Context } from '../../../graphql/context/context.js';
import { decodeId } from '../../../graphql/relay/global-id.js';
import { Invalidates } from '../../../graphql/schema/cache-control.js';
import type { CredentialChangeWatcher } from '../credential-change.watcher.js';
import type { SignIn } from '../sign-in.service.js';
import type { AuditLog } from '../../../audit/audit-log.js';
import type { LoginThrottle } from '../../../auth/login-throttle.js';
import { User } from '../user.entity.js';
import { Session, type UserRow } from '../user.types.js';
import { redeemCode, setIdentity } from './identity.service.js';

/** What sign-ins by the identity provider use of the gateway. */
interface IdentityServices {
  signIn: Pick<SignIn, 'openFor'>;
  throttle: LoginThrottle;
  audit: AuditLog;
  changes: Pick<CredentialChangeWatcher, 'refresh'>;
  /** The identity provider; null if none is configured. */
  issuer: string | null;
}

@Resolver()
export class IdentityResolver {
  readonly #services: IdentityServices;

  constructor(services: IdentityServices) {
    this.#services = services;
  }

  @Invalidates()
  @Mutation(() => Session, {
    nullable: true,
    description:
      'Completes a sign-in with the identity provider, which begins at /sign-in/start. UNAUTHENTICATED if the code was used already or is older than a minute.',
  })
  async signInWithCode(
    @Arg('code', { description: 'The code in the fragment of the URL to which the sign-in returned.' }) code: string,
    @Arg('verifier', { description: 'The text whose SHA-256 was sent as the challenge when the sign-in began.' })
    verifier: string,
    @Ctx() context: Context,
  ): Promise<Session> {
    await this.#services.throttle.refreshFrom(context.address);
    const userId = await redeemCode(context.em, code, verifier).catch((error: unknown) => {
      if (error instanceof Unauthenticated)
        this.#services.audit.recordFailure(context, {
          action: AuditAction.PROVIDER_SIGN_IN,
          outcome: AuditOutcome.FAILURE,
          code: error.code,
        });
      throw error;
    });
    const session = await this.#services.signIn.openFor(context.em, userId, context);
    // The sign-in may have changed the role: earlier access tokens of the user are rejected from now on.
    await this.#services.changes.refresh();
    await context.pinToPrimary(userId);
    return session;
  }

  @Invalidates('User')
  @Mutation(() => User, {
    nullable: true,
    description:
      "Links a user to an identity of the configured identity provider, or removes the link; the user's sessions end. ADMIN only, after a proof of the password within five minutes.",
  })
  async setUserIdentity(
    @Arg('userId', () => ID, { description: 'ID of the user.' }) userId: string,
    @Arg('subject', () => String, {
      nullable: true,
      description:
        'Claim `sub` of the identity; of a service its client ID as a rule. Null removes the link. BAD_USER_INPUT if absent.',
    })
    subject: string | null | undefined,
    @Ctx() context: Context,
  ): Promise<UserRow> {
    const link = { userId: decodeId('user', userId, 'userId'), subject };
    const { audit, issuer } = this.#services;
    const user = await setIdentity(context.em, issuer, link, { audit, caller: context });
    await this.#services.changes.refresh();
    return user;
  }
}
