import { ForeignKeyConstraintViolationException, LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { AuditAction } from '../../audit/audit-event.js';
import type { AuditLog } from '../../audit/audit-log.js';
import type { LoginThrottle } from '../../auth/login-throttle.js';
import { networkOf } from '../../auth/network.js';
import type { PasswordPolicy } from '../../auth/password-policy.js';
import { hashPassword } from '../../auth/password.js';
import { randomToken } from '../../auth/token.js';
import { Role } from '../../auth/viewer.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { BadUserInput, Conflict, Forbidden, NotFound, type FieldProblem } from '../../errors/app-error.js';
import { email as emailAddress, validateFields } from '../../errors/input-validation.js';
import type { MailQueue } from '../../integrations/mail/mail-queue.js';
import type { Mail } from '../../integrations/mail/mail-transport.js';
import { existingAccountMail, linkMail, passwordSetMail, type AccountLink } from './account-mails.js';
import { LinkPurpose, type AccountToken } from './account-token.entity.js';
import { createLink, findLink, linkTtlSeconds, useLink } from './account-token.service.js';
import type { AccountLinkPayload, MailRequestPayload, SetPasswordPayload } from './account.types.js';
import { endCredentials } from './end-credentials.js';
import { UserIdentity } from './identity/identity.entity.js';
import type { SessionCaller } from './session.service.js';
import { User } from './user.entity.js';

/** How anonymous callers get an account: at once, by a link that is mailed to the address, or not at all. */
export type Registration = 'open' | 'email' | 'closed';

interface AccountServices {
  throttle: LoginThrottle;
  passwords: PasswordPolicy;
  audit: AuditLog;
  /** Null if the gateway sends no mail. */
  mail: MailQueue | null;
  settings: { registration: Registration; publicUrl: string | null };
}

interface Invitation {
  email: string;
  role: Role;
  employeeId: string | null;
}

/** An ADMIN's link for a user who lost the password may have to be passed on by hand. */
const adminResetTtlSeconds = 86_400;

/** Invitations, password resets and registration by mail. */
export class Accounts {
  constructor(private readonly services: AccountServices) {}

  /**
   * Creates an account without a usable password, and a link by which its user chooses one.
   * @throws BadUserInput if the address has an account, or the employee does not exist or belongs to another user; Conflict
   * without PUBLIC_URL
   */
  async invite(em: SqlEntityManager, input: Invitation, caller: SessionCaller): Promise<AccountLinkPayload> {
    const { value, problems } = validateFields({ email: emailAddress }, { email: input.email });
    const { email } = value;
    if (email === undefined) throw BadUserInput.ofFields(problems);
    const publicUrl = this.#publicUrl();
    const passwordHash = await hashPassword(randomToken());
    const { role, employeeId } = input;
    const { user, link } = await em
      .transactional(async (transaction) => {
        const user = transaction.create(User, { email, passwordHash, role, isActive: true, employeeId });
        await transaction.flush();
        await this.services.audit.record(transaction, caller, {
          action: AuditAction.INVITATION,
          target: encodeId('user', user.id),
          after: { email, role, employeeId: employeeId && encodeId('employee', employeeId) },
        });
        const request = { purpose: LinkPurpose.INVITATION, email, userId: user.id };
        return { user, link: await createLink(transaction, publicUrl, request) };
      })
      .catch((error: unknown) => {
        throw invitationProblem(error) ?? error;
      });
    return this.#deliver(user, link);
  }

  /**
   * Creates a link by which a user chooses a new password. The present one, sessions and API keys stay until the link is used.
   * @throws NotFound; Conflict if the user is deactivated, or without PUBLIC_URL
   */
  async startReset(em: SqlEntityManager, userId: string, caller: SessionCaller): Promise<AccountLinkPayload> {
    const user = await em.findOne(User, userId);
    if (!user) throw new NotFound('user', encodeId('user', userId));
    if (!user.isActive) throw new Conflict('The user is deactivated; activate the account first.');
    const publicUrl = this.#publicUrl();
    const link = await em.transactional(async (transaction) => {
      await this.services.audit.record(transaction, caller, {
        action: AuditAction.PASSWORD_RESET_REQUEST,
        target: encodeId('user', userId),
      });
      const request = { purpose: LinkPurpose.RESET, email: user.email, userId, ttlSeconds: adminResetTtlSeconds };
      return createLink(transaction, publicUrl, request);
    });
    return this.#deliver(user, link);
  }

  /**
   * Mails a link to the account of an address, if there is one. The response is the same if there is none: everything that
   * depends on it happens afterwards.
   * @throws Forbidden if the gateway sends no mail; BadUserInput if it is no address; TooManyAttempts
   */
  async requestReset(em: SqlEntityManager, input: string, caller: SessionCaller): Promise<MailRequestPayload> {
    if (!this.services.mail)
      throw new Forbidden('This gateway sends no mail; contact an administrator for a new password.');
    return this.#request(em, input, caller, LinkPurpose.RESET);
  }

  /**
   * Mails a link that creates an account, or a notice to an address that has one. The response is the same.
   * @throws Forbidden if registration is closed; BadUserInput if it is no address; TooManyAttempts
   */
  async requestRegistration(em: SqlEntityManager, input: string, caller: SessionCaller): Promise<MailRequestPayload> {
    if (this.services.settings.registration === 'closed' || !this.services.mail)
      throw new Forbidden('Registration is closed; contact an administrator for an account.');
    return this.#request(em, input, caller, LinkPurpose.REGISTRATION);
  }

  /**
   * Sets the password of an account by the token of a link, and ends its sessions, API keys and links. A registration creates the
   * account. It opens no session: a sign-in follows, with everything that it requires.
   * @throws BadUserInput if the link does not work (any more) or the password is not acceptable; TooManyAttempts; Overloaded
   */
  async setPassword(
    em: SqlEntityManager,
    { token, newPassword }: { token: string; newPassword: string },
    caller: SessionCaller,
  ): Promise<SetPasswordPayload> {
    const { throttle, passwords, mail } = this.services;
    await throttle.linkUse(caller.address);
    const link = await findLink(em, token);
    const isClosed = this.services.settings.registration === 'closed' && link?.purpose === LinkPurpose.REGISTRATION;
    if (!link || isClosed) throw BadUserInput.ofFields([linkIsInvalid]);
    const problem = await passwords.problem(newPassword, 'newPassword', link.email);
    if (problem) throw BadUserInput.ofFields([problem]);
    const share = networkOf(caller.address);
    const passwordHash = await hashPassword(newPassword, { share, isKnown: true, signal: caller.signal });
    await em.transactional((transaction) => this.#use(transaction, link, passwordHash, caller));
    if (mail?.isDelivering) mail.add(() => Promise.resolve(passwordSetMail(link.email)));
    return { email: link.email };
  }

  async #use(em: SqlEntityManager, link: AccountToken, passwordHash: string, caller: SessionCaller): Promise<void> {
    const { userId, email, purpose } = link;
    // The account is locked before the link, as when its password is changed.
    const user = await em.findOne(
      User,
      { email, ...(userId === null ? {} : { id: userId, isActive: true }) },
      { lockMode: LockMode.PESSIMISTIC_WRITE, populate: ['passwordHash'] },
    );
    const isUsable = userId === null ? user === null : user !== null;
    if (!(await useLink(em, link)) || !isUsable) throw BadUserInput.ofFields([linkIsInvalid]);
    const account = user ?? em.create(User, { email, passwordHash, role: Role.USER, isActive: true, employeeId: null });
    account.passwordHash = passwordHash;
    await em.flush();
    await endCredentials(em, account.id);
    await this.services.audit.record(em, caller, {
      action: purpose === LinkPurpose.REGISTRATION ? AuditAction.REGISTRATION : AuditAction.PASSWORD_RESET,
      actorId: account.id,
      account: email,
      target: encodeId('user', account.id),
      after: { purpose },
    });
  }

  async #request(
    em: SqlEntityManager,
    input: string,
    caller: SessionCaller,
    purpose: LinkPurpose,
  ): Promise<MailRequestPayload> {
    const { value, problems } = validateFields({ email: emailAddress }, { email: input });
    const { email } = value;
    if (email === undefined) throw BadUserInput.ofFields(problems);
    // By the address as sent, whether or not it has an account.
    await this.services.throttle.mail(email, caller.address);
    const publicUrl = this.#publicUrl();
    const later = em.fork();
    this.services.mail?.add(() => this.#mailFor(later, { email, purpose, publicUrl }, caller));
    return { linkTtlSeconds: linkTtlSeconds[purpose] };
  }

  async #mailFor(
    em: SqlEntityManager,
    { email, purpose, publicUrl }: { email: string; purpose: LinkPurpose; publicUrl: string },
    caller: SessionCaller,
  ): Promise<Mail | null> {
    const user = await em.findOne(User, { email });
    if (purpose === LinkPurpose.REGISTRATION && user) return existingAccountMail(email);
    if (purpose === LinkPurpose.RESET && !user?.isActive) return null;
    // A password would bypass what the identity provider requires; an ADMIN may decide so.
    if (user && (await em.count(UserIdentity, { userId: user.id })) > 0) return null;
    const userId = user?.id ?? null;
    return em.transactional(async (transaction) => {
      if (userId !== null)
        await this.services.audit.record(transaction, caller, {
          action: AuditAction.PASSWORD_RESET_REQUEST,
          account: email,
          target: encodeId('user', userId),
        });
      return linkMail(await createLink(transaction, publicUrl, { purpose, email, userId }));
    });
  }

  /** Mails a link to its user. If no mail reaches users, or too many messages wait, the ADMIN gets it. */
  #deliver(user: User, link: AccountLink): AccountLinkPayload {
    const { mail } = this.services;
    const isQueued = mail?.add(() => Promise.resolve(linkMail(link))) ?? false;
    return { user, link: isQueued && mail?.isDelivering ? null : link.url, expiresAt: link.expiresAt };
  }

  /** Links never contain the host of a request, which a caller chooses. */
  #publicUrl(): string {
    const { publicUrl } = this.services.settings;
    if (publicUrl === null) throw new Conflict('Links need the URL of the gateway; the operator must set PUBLIC_URL.');
    return publicUrl;
  }
}

const linkIsInvalid: FieldProblem = {
  field: 'token',
  message: 'is not valid, was used already or has expired; request a new link',
};

function invitationProblem(error: unknown): BadUserInput | null {
  if (error instanceof ForeignKeyConstraintViolationException)
    return BadUserInput.ofFields([{ field: 'employeeId', message: 'is not an employee that exists' }]);
  if (!(error instanceof UniqueConstraintViolationException)) return null;
  return BadUserInput.ofFields([
    error.message.includes('employee_id')
      ? { field: 'employeeId', message: 'already belongs to another user' }
      : { field: 'email', message: 'already has an account; startPasswordReset sends a new link' },
  ]);
}
