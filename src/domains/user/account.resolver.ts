import { Arg, Ctx, ID, Mutation, Resolver } from 'type-graphql';
import { Role } from '../../auth/viewer.js';
import type { Context } from '../../graphql/context/context.js';
import { decodeId } from '../../graphql/relay/global-id.js';
import { Invalidates } from '../../graphql/schema/cache-control.js';
import type { Accounts } from './account.service.js';
import { AccountLinkPayload, MailRequestPayload, SetPasswordPayload } from './account.types.js';
import type { CredentialChangeWatcher } from './credential-change.watcher.js';

/** Invitations, password resets and registration by mail. */
@Resolver()
export class AccountResolver {
  constructor(
    readonly accounts: Accounts,
    readonly changes: Pick<CredentialChangeWatcher, 'refresh'>,
  ) {}

  @Invalidates('User')
  @Mutation(() => AccountLinkPayload, {
    nullable: true,
    description:
      'Creates an account and mails its user a link to choose a password; without mail, the response contains the link. ADMIN only. REAUTHENTICATION_REQUIRED more than five minutes after the password was proved.',
  })
  inviteUser(
    @Arg('email', { description: 'E-mail address of the user; unique.' }) email: string,
    @Arg('role', () => Role, { defaultValue: Role.USER, description: 'The role of the user.' }) role: Role,
    @Arg('employeeId', () => ID, { nullable: true, description: 'ID of the employee record of the user.' })
    employeeId: string | null | undefined,
    @Ctx() context: Context,
  ): Promise<AccountLinkPayload> {
    const employee = employeeId == null ? null : decodeId('employee', employeeId, 'employeeId');
    return this.accounts.invite(context.em, { email, role, employeeId: employee }, context);
  }

  @Invalidates()
  @Mutation(() => AccountLinkPayload, {
    nullable: true,
    description:
      'Mails a user a link to choose a new password; without mail, the response contains the link. The password, sessions and API keys stay valid until the link is used. ADMIN only. REAUTHENTICATION_REQUIRED more than five minutes after the password was proved.',
  })
  startPasswordReset(
    @Arg('userId', () => ID, { description: 'ID of the user.' }) userId: string,
    @Ctx() context: Context,
  ): Promise<AccountLinkPayload> {
    return this.accounts.startReset(context.em, decodeId('user', userId, 'userId'), context);
  }

  @Invalidates()
  @Mutation(() => MailRequestPayload, {
    nullable: true,
    description:
      'Mails a link to choose a new password to an address that has an account. The response does not show whether it has one. FORBIDDEN if the gateway sends no mail.',
  })
  requestPasswordReset(
    @Arg('email', { description: 'E-mail address of the account.' }) email: string,
    @Ctx() context: Context,
  ): Promise<MailRequestPayload> {
    return this.accounts.requestReset(context.em, email, context);
  }

  @Invalidates()
  @Mutation(() => MailRequestPayload, {
    nullable: true,
    description:
      'Mails a link that creates an account with the role USER. The response does not show whether the address has one. FORBIDDEN if registration is closed.',
  })
  requestRegistration(
    @Arg('email', { description: 'E-mail address for sign-in.' }) email: string,
    @Ctx() context: Context,
  ): Promise<MailRequestPayload> {
    return this.accounts.requestRegistration(context.em, email, context);
  }

  @Invalidates('User')
  @Mutation(() => SetPasswordPayload, {
    nullable: true,
    description:
      'Sets the password of an account by the token of a link, once. Ends all sessions and API keys of the account; sign in afterwards.',
  })
  async setPassword(
    @Arg('token', { description: 'The token of the link.' }) token: string,
    @Arg('newPassword', { description: 'The password: at least 12 characters, at most 72 bytes.' })
    newPassword: string,
    @Ctx() context: Context,
  ): Promise<SetPasswordPayload> {
    const done = await this.accounts.setPassword(context.em, { token, newPassword }, context);
    await this.changes.refresh();
    return done;
  }
}
