import { Arg, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import { AuditAction, AuditOutcome } from '../../audit/audit-event.js';
import type { AuditLog } from '../../audit/audit-log.js';
import { BadUserInput, TooManyAttempts, Unauthenticated } from '../../errors/app-error.js';
import { email } from '../../errors/input-validation.js';
import { Invalidates } from '../../graphql/schema/cache-control.js';
import type { Context } from '../../graphql/context/context.js';
import { decodeId, encodeId } from '../../graphql/relay/global-id.js';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import { requireViewer } from '../../graphql/permissions/rules.js';
import type { CredentialChangeWatcher } from './credential-change.watcher.js';
import type { Sessions } from './session.service.js';
import type { SignIn } from './sign-in.service.js';
import type { Mfa } from './mfa/mfa.service.js';
import type { LoginThrottle } from '../../auth/login-throttle.js';
import { reauthenticate } from './reauthentication.service.js';
import { SessionRecord } from './session.entity.js';
import {
  EndSessionPayload,
  LoginInput,
  LogoutPayload,
  ReauthenticatePayload,
  RegisterInput,
  Session,
  type SessionRow,
} from './user.types.js';

/** What the resolvers of sessions use of the gateway. */
interface SessionResolverServices {
  sessions: Sessions;
  signIn: SignIn;
  throttle: LoginThrottle;
  mfa: Mfa;
  audit: AuditLog;
  changes: Pick<CredentialChangeWatcher, 'refresh'>;
}

@Resolver()
export class SessionResolver {
  readonly #services: SessionResolverServices;

  constructor(services: SessionResolverServices) {
    this.#services = services;
  }

  @Invalidates('User')
  @Mutation(() => Session, {
    nullable: true,
    description: 'Creates an account with the role USER and signs it in. FORBIDDEN if registration is closed.',
  })
  register(
    @Arg('input', () => RegisterInput, { description: 'The new account.' }) input: RegisterInput,
    @Ctx() context: Context,
  ): Promise<Session> {
    return opened(context, this.#services.signIn.register(context.em, input, context));
  }

  @Invalidates()
  @Mutation(() => Session, {
    nullable: true,
    description:
      'Signs in with e-mail address and password. MFA_REQUIRED if a code must follow, MFA_SETUP_REQUIRED if the role requires MFA that is not set up; `extensions.challenge` continues the sign-in.',
  })
  login(
    @Arg('input', () => LoginInput, { description: 'The credentials.' }) input: LoginInput,
    @Ctx() context: Context,
  ): Promise<Session> {
    const attempt = this.#services.signIn.login(context.em, input, context);
    return opened(context, recordingFailure(this.#services.audit, context, attempt, AuditAction.SIGN_IN, input.email));
  }

  @Invalidates()
  @Mutation(() => Session, {
    nullable: true,
    description: 'Exchanges a refresh token for new tokens. A refresh token is valid for one use.',
  })
  async refreshSession(
    @Arg('refreshToken', { description: 'The current refresh token of the session.' })
    refreshToken: string,
    @Ctx() context: Context,
  ): Promise<Session> {
    try {
      return await this.#services.sessions.refresh(context.em, refreshToken, context);
    } catch (error) {
      // A reused token has ended its session.
      if (error instanceof Unauthenticated) await this.#services.changes.refresh();
      throw error;
    }
  }

  @Invalidates()
  @Mutation(() => LogoutPayload, {
    nullable: true,
    description: 'Ends the session: its refresh token and its access tokens are invalid immediately.',
  })
  async logout(@Ctx() context: Context): Promise<LogoutPayload> {
    const { credentialId, userId } = requireViewer(context);
    const ended = await this.#services.sessions.logout(context.em, { userId, sessionId: credentialId }, context);
    await this.#services.changes.refresh();
    return ended;
  }

  @Invalidates()
  @Mutation(() => Session, {
    nullable: true,
    description:
      "Changes the viewer's password, ends all sessions of the account, revokes its API keys unless declined, and starts a new session.",
  })
  async changePassword(
    @Arg('currentPassword', { description: 'The current password.' }) currentPassword: string,
    @Arg('newPassword', { description: 'The new password: at least 12 characters, at most 72 bytes.' })
    newPassword: string,
    @Arg('revokeApiKeys', {
      defaultValue: true,
      description:
        "Whether to revoke the viewer's API keys as well, which another holder of the password could have created.",
    })
    revokesApiKeys: boolean,
    @Ctx() context: Context,
  ): Promise<Session> {
    const { userId, credentialId: sessionId } = requireViewer(context);
    const attempt = this.#services.signIn.changePassword(
      context.em,
      { userId, sessionId },
      { currentPassword, newPassword, revokesApiKeys },
      context,
    );
    const session = await recordingFailure(this.#services.audit, context, attempt, AuditAction.PASSWORD_CHANGE);
    await this.#services.changes.refresh();
    return session;
  }

  @Invalidates()
  @Mutation(() => ReauthenticatePayload, {
    nullable: true,
    description:
      'Proves the password again, or a code if the account uses MFA. Mutations that create credentials require this within the last five minutes.',
  })
  async reauthenticate(
    @Arg('password', () => String, {
      nullable: true,
      description: 'The current password. Required unless the account uses MFA; checked if sent.',
    })
    password: string | null | undefined,
    @Arg('code', () => String, {
      nullable: true,
      description: 'A code of the authenticator app, or a recovery code. Required if the account uses MFA.',
    })
    code: string | null | undefined,
    @Ctx() context: Context,
  ): Promise<ReauthenticatePayload> {
    const proof = { password: password ?? null, code: code ?? null };
    const proving = reauthenticate(context.em, this.#services, requireViewer(context), proof, context.signal);
    const proved = recordingFailure(this.#services.audit, context, proving, AuditAction.REAUTHENTICATION);
    return { validUntil: await proved };
  }

  @Invalidates('UserSession')
  @Mutation(() => EndSessionPayload, {
    nullable: true,
    description: "Ends a session immediately. Requires the session's user or an ADMIN.",
  })
  async endSession(
    @Arg('id', () => ID, { description: 'ID of the session.' }) id: string,
    @Ctx() context: Context,
  ): Promise<EndSessionPayload> {
    const ended = await this.#services.sessions.end(
      context.em,
      requireViewer(context),
      decodeId('session', id),
      context,
    );
    await this.#services.changes.refresh();
    return ended;
  }
}

/** Fields of `UserSession`. */
@Resolver(() => SessionRecord)
export class SessionFieldResolver {
  @FieldResolver(() => ID, { description: 'Global ID: session_ and 26 characters.' })
  id(@Root() session: SessionRow): string {
    return encodeId('session', session.id);
  }

  @FieldResolver(() => GraphQLDateTime, { description: 'Time of the sign-in or the last refresh.' })
  lastUsedAt(@Root() session: SessionRow): Date {
    return session.updatedAt;
  }

  @FieldResolver(() => Boolean, { description: 'Whether this request belongs to the session.' })
  isCurrent(@Root() session: SessionRow, @Ctx() { viewer }: Context): boolean {
    return viewer.kind === 'session' && viewer.credentialId === session.id;
  }
}

/**
 * Records who failed to prove a password or a code, and from where: runs of these events show attacks on accounts.
 * @param account the e-mail address as sent. Recorded only if it is one: some people type their password into the wrong field.
 */
export async function recordingFailure<Result>(
  audit: AuditLog,
  context: Context,
  attempt: Promise<Result>,
  action: AuditAction,
  account?: string,
): Promise<Result> {
  try {
    return await attempt;
  } catch (error) {
    if (isCredentialFailure(error))
      audit.recordFailure(context, {
        action,
        outcome: AuditOutcome.FAILURE,
        code: error.code,
        account: email.safeParse(account).data ?? null,
      });
    throw error;
  }
}

/** A wrong password or code, also of a password change or another proof, or too many attempts. */
const isCredentialFailure = (error: unknown): error is Unauthenticated | TooManyAttempts | BadUserInput =>
  error instanceof Unauthenticated ||
  error instanceof TooManyAttempts ||
  (error instanceof BadUserInput &&
    error.fields.some(({ field }) => ['currentPassword', 'password', 'code'].includes(field)));

/** Signing in is a write of a caller who was anonymous: pins the new viewer to the primary. */
export async function opened(context: Context, opening: Promise<Session>): Promise<Session> {
  const session = await opening;
  await context.pinToPrimary(session.user.id);
  return session;
}
