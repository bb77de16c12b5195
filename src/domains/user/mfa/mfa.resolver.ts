import { Arg, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import { AuditAction } from '../../../audit/audit-event.js';
import { Reads } from '../../../graphql/schema/reads.js';
import type { Context } from '../../../graphql/context/context.js';
import { requireViewer } from '../../../graphql/permissions/rules.js';
import { decodeId } from '../../../graphql/relay/global-id.js';
import { Invalidates } from '../../../graphql/schema/cache-control.js';
import type { CredentialChangeWatcher } from '../credential-change.watcher.js';
import { opened, recordingFailure } from '../session.resolver.js';
import { User } from '../user.entity.js';
import { Session, type UserRow } from '../user.types.js';
import type { MfaSignIn } from './mfa-sign-in.service.js';
import { mfaByUser } from './mfa.queries.js';
import type { Mfa } from './mfa.service.js';
import { ConfirmMfaSetupPayload, MfaSetup, MfaState, RecoveryCodesPayload } from './mfa.types.js';

const setupChallenge = 'The challenge of a sign-in that returned MFA_SETUP_REQUIRED; absent in an open session.';

@Resolver(() => User)
export class MfaResolver {
  constructor(
    readonly mfa: Mfa,
    readonly signIn: MfaSignIn,
    readonly changes: Pick<CredentialChangeWatcher, 'refresh'>,
  ) {}

  @Invalidates()
  @Mutation(() => Session, {
    nullable: true,
    description:
      'The second step of a sign-in that returned MFA_REQUIRED. UNAUTHENTICATED if the challenge has expired.',
  })
  verifyMfa(
    @Arg('challenge', { description: '`extensions.challenge` of the error of `login`.' }) challenge: string,
    @Arg('code', { description: 'A code of the authenticator app, or a recovery code. Each is valid for one use.' })
    code: string,
    @Ctx() context: Context,
  ): Promise<Session> {
    const attempt = this.signIn.verify(context.em, challenge, code, context);
    return opened(context, this.#recordingFailure(context, attempt, AuditAction.SIGN_IN));
  }

  @Invalidates()
  @Mutation(() => MfaSetup, {
    nullable: true,
    description:
      'Begins the setup of MFA, or the replacement of the authenticator app. Nothing changes until confirmMfaSetup. REAUTHENTICATION_REQUIRED more than five minutes after the password or a code was proved.',
  })
  beginMfaSetup(
    @Arg('challenge', () => String, { nullable: true, description: setupChallenge })
    challenge: string | null | undefined,
    @Ctx() context: Context,
  ): Promise<MfaSetup> {
    return challenge == null
      ? this.mfa.begin(context.em, requireViewer(context).userId)
      : this.#recordingFailure(context, this.signIn.begin(context.em, challenge), AuditAction.MFA_SETUP);
  }

  @Invalidates('User')
  @Mutation(() => ConfirmMfaSetupPayload, {
    nullable: true,
    description:
      'Completes the setup of MFA with a code of the new secret. Ends the other sessions of the account and replaces its recovery codes; API keys remain.',
  })
  async confirmMfaSetup(
    @Arg('code', { description: 'A code of the authenticator app, for the secret of beginMfaSetup.' }) code: string,
    @Arg('challenge', () => String, { nullable: true, description: setupChallenge })
    challenge: string | null | undefined,
    @Ctx() context: Context,
  ): Promise<ConfirmMfaSetupPayload> {
    const confirming =
      challenge == null
        ? this.#confirmInSession(context, code)
        : this.signIn.confirm(context.em, challenge, code, context);
    const confirmed = await this.#recordingFailure(context, confirming, AuditAction.MFA_SETUP);
    await this.changes.refresh();
    if (confirmed.session) await context.pinToPrimary(confirmed.session.user.id);
    return confirmed;
  }

  async #confirmInSession(context: Context, code: string): Promise<ConfirmMfaSetupPayload> {
    const { userId, credentialId } = requireViewer(context);
    await this.signIn.throttle.passwordChange(credentialId);
    const recoveryCodes = await context.em.transactional(async (transaction) => {
      await this.mfa.lock(transaction, userId);
      return this.mfa.confirm(transaction, userId, code, { sessionId: credentialId, caller: context });
    });
    return { recoveryCodes, session: null };
  }

  #recordingFailure<Result>(context: Context, attempt: Promise<Result>, action: AuditAction): Promise<Result> {
    return recordingFailure(this.mfa.audit, context, attempt, action);
  }

  @Invalidates('User')
  @Mutation(() => RecoveryCodesPayload, {
    nullable: true,
    description:
      "Replaces the viewer's recovery codes. REAUTHENTICATION_REQUIRED more than five minutes after a code was proved.",
  })
  async regenerateRecoveryCodes(@Ctx() context: Context): Promise<RecoveryCodesPayload> {
    const { userId } = requireViewer(context);
    return { recoveryCodes: await this.mfa.regenerateRecoveryCodes(context.em, userId, context) };
  }

  @Invalidates('User')
  @Mutation(() => User, {
    nullable: true,
    description:
      "Removes MFA from the viewer's account. FORBIDDEN if the role requires it; REAUTHENTICATION_REQUIRED more than five minutes after a code was proved.",
  })
  disableMfa(@Ctx() context: Context): Promise<UserRow> {
    return this.mfa.disable(context.em, requireViewer(context).userId, context);
  }

  @Invalidates('User')
  @Mutation(() => User, {
    nullable: true,
    description:
      "Removes MFA from a user's account and ends its sessions, after a loss of app and recovery codes. ADMIN only; REAUTHENTICATION_REQUIRED more than five minutes after the password or a code was proved.",
  })
  async resetMfa(
    @Arg('userId', () => ID, { description: 'ID of the user.' }) userId: string,
    @Ctx() context: Context,
  ): Promise<UserRow> {
    const user = await this.mfa.reset(context.em, decodeId('user', userId, 'userId'), context);
    await this.changes.refresh();
    return user;
  }

  @Reads<UserRow>('id')
  @FieldResolver(() => MfaState, {
    name: 'mfa',
    nullable: true,
    description: 'Multi-factor authentication; null if it is not set up. For the user and ADMIN only.',
  })
  state(@Root() user: UserRow, @Ctx() context: Context): Promise<MfaState | null> {
    return context.load(mfaByUser).load(user.id);
  }
}
