import { LockMode } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { AuditAction, AuditOutcome, type AuditCaller, type AuditEvent } from '../../audit/audit-event.js';
import type { AuditLog } from '../../audit/audit-log.js';
import type { LoginThrottle } from '../../auth/login-throttle.js';
import { hashToken, randomToken, type TokenSigner } from '../../auth/token.js';
import { Role, type AuthenticatedViewer } from '../../auth/viewer.js';
import { newId } from '../../database/base.entity.js';
import { execute } from '../../database/execute.js';
import { owned } from '../../database/schema-names.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { NotFound, Unauthenticated } from '../../errors/app-error.js';
import { clientLabel } from '../../persisted-documents/sent-operation.js';
import type { Logger } from '../../telemetry/logger.js';
import type { Mfa } from './mfa/mfa.service.js';
import { SessionRecord } from './session.entity.js';
import { rememberNetwork } from './sign-in-network.entity.js';
import { User } from './user.entity.js';
import type { EndSessionPayload, LogoutPayload, Session } from './user.types.js';

/** Maximum sessions per user; a new one ends the oldest. */
const maxSessionsPerUser = 20;

/** Within this time a reused refresh token is only rejected, since two tabs may send it at once; later it ends the session. */
const reuseGraceMs = 10_000;

/** A refresh token: the session's ID, which identifies old tokens, too, and 256 random bits. */
const refreshTokenForm = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[\w-]{43}$/;

interface SessionSettings {
  /** Longest time without a refresh. */
  refreshTokenTtlDays: number;
  /** Longest time from the sign-in. */
  sessionLifetimeDays: number;
}

/** Where a request came from, and whether its caller is still there. */
export interface SessionCaller extends AuditCaller {
  log: Logger;
  /** Aborted when the caller disconnects. */
  signal: AbortSignal;
}

/** What sessions use of the gateway. */
interface SessionServices {
  tokens: TokenSigner;
  throttle: LoginThrottle;
  audit: AuditLog;
  mfa: Pick<Mfa, 'isMissing'>;
  settings: SessionSettings;
}

/** Opens, renews and ends sessions. */
export class Sessions {
  readonly #services: SessionServices;

  constructor(services: SessionServices) {
    this.#services = services;
  }

  /** Opens a session for a user who has proved every factor. */
  async open(em: SqlEntityManager, user: User, caller: SessionCaller, event: AuditEvent): Promise<Session> {
    const { address, client } = caller;
    const id = newId();
    const refreshToken = refreshTokenOf({ id });
    const record = em.create(SessionRecord, {
      id,
      userId: user.id,
      refreshTokenHash: hashToken(refreshToken),
      previousTokenHash: null,
      expiresAt: this.#refreshExpiry(new Date()),
      client: clientLabel(client)?.slice(0, 200) ?? null,
      address: address.slice(0, 45),
    });
    await em.flush();
    await this.#endOldest(em, user.id);
    await rememberNetwork(em, user.id, address);
    await this.#services.audit.record(em, caller, {
      ...event,
      actorId: user.id,
      credential: { kind: 'session', id },
      account: user.email,
      target: encodeId('user', user.id),
    });
    return this.#session(user, record, refreshToken);
  }

  /**
   * Exchanges a refresh token for new tokens. A token is valid once; a later reuse indicates theft and ends the session
   * (RFC 9700, 4.14.2).
   * @throws TooManyAttempts; Unauthenticated
   */
  async refresh(em: SqlEntityManager, refreshToken: string, caller: SessionCaller): Promise<Session> {
    await this.#services.throttle.refreshFrom(caller.address);
    const sessionId = refreshTokenForm.exec(refreshToken)?.[1];
    const hash = hashToken(refreshToken);
    const session =
      sessionId === undefined
        ? null
        : await em.transactional((transaction) => this.#rotate(transaction, sessionId, hash, caller));
    if (!session)
      throw new Unauthenticated('The refresh token is not valid, was used already or has expired; sign in again.');
    return session;
  }

  async #rotate(em: SqlEntityManager, sessionId: string, hash: string, caller: SessionCaller): Promise<Session | null> {
    const { address, log } = caller;
    const record = await em.findOne(SessionRecord, sessionId, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!record) return null;
    if (record.refreshTokenHash !== hash) {
      const wasJustUsed = record.previousTokenHash === hash && record.updatedAt.getTime() > Date.now() - reuseGraceMs;
      if (wasJustUsed) return null;
      em.remove(record);
      await this.#services.audit.record(em, caller, {
        action: AuditAction.TOKEN_REUSE,
        outcome: AuditOutcome.FAILURE,
        actorId: record.userId,
        target: encodeId('session', sessionId),
      });
      log.warn({ userId: record.userId, sessionId, address }, 'refresh token reused; session ended');
      return null;
    }
    const user = await em.findOne(User, { id: record.userId, isActive: true });
    const expiresAt = this.#refreshExpiry(record.createdAt);
    if (!user || Math.min(record.expiresAt.getTime(), expiresAt.getTime()) <= Date.now()) return null;
    if (await this.#services.mfa.isMissing(em, user)) {
      em.remove(record);
      return null;
    }
    await this.#services.throttle.refreshOf(user.id);
    const refreshToken = refreshTokenOf(record);
    record.previousTokenHash = hash;
    record.refreshTokenHash = hashToken(refreshToken);
    record.expiresAt = expiresAt;
    record.address = address.slice(0, 45);
    await rememberNetwork(em, user.id, address);
    return this.#session(user, record, refreshToken);
  }

  /**
   * Ends a session; repeating it has no effect.
   * @returns the ID of the user and the number of sessions that remain
   */
  logout(
    em: SqlEntityManager,
    { userId, sessionId }: { userId: string; sessionId: string },
    caller: AuditCaller,
    action = AuditAction.SIGN_OUT,
  ): Promise<LogoutPayload> {
    return em.transactional(async (transaction) => {
      const target = encodeId('session', sessionId);
      const before = { userId: encodeId('user', userId) };
      if ((await transaction.nativeDelete(SessionRecord, { id: sessionId })) > 0)
        await this.#services.audit.record(transaction, caller, { action, target, before });
      const remainingCount = await transaction.count(SessionRecord, { userId, expiresAt: { $gt: new Date() } });
      return { signedOutUserId: encodeId('user', userId), remainingCount };
    });
  }

  /**
   * Ends a session of the viewer; an ADMIN may end any.
   * @returns its ID and the number of sessions that its user has left
   * @throws NotFound, also for a session of another user
   */
  async end(
    em: SqlEntityManager,
    viewer: AuthenticatedViewer,
    id: string,
    caller: AuditCaller,
  ): Promise<EndSessionPayload> {
    const owned = viewer.role === Role.ADMIN ? {} : { userId: viewer.userId };
    const record = await em.findOne(SessionRecord, { id, ...owned });
    if (!record) throw new NotFound('session', encodeId('session', id));
    const ended = { userId: record.userId, sessionId: id };
    const { remainingCount } = await this.logout(em, ended, caller, AuditAction.SESSION_END);
    return { endedSessionId: encodeId('session', id), remainingCount };
  }

  async #endOldest(em: SqlEntityManager, userId: string): Promise<void> {
    await execute(
      em,
      sql`delete from ${owned('session')} where user_id = ${userId} and (expires_at < now() or id not in (
        select id from ${owned('session')} where user_id = ${userId} order by created_at desc, id desc limit ${maxSessionsPerUser}))`,
    );
  }

  /** The end of an unused session, or of its lifetime if that is sooner. */
  #refreshExpiry(startedAt: Date): Date {
    const { refreshTokenTtlDays, sessionLifetimeDays } = this.#services.settings;
    return new Date(
      Math.min(Date.now() + refreshTokenTtlDays * dayMs, startedAt.getTime() + sessionLifetimeDays * dayMs),
    );
  }

  #session(user: User, record: SessionRecord, refreshToken: string): Session {
    const { token, expiresAt } = this.#services.tokens.sign({
      userId: user.id,
      role: user.role,
      employeeId: user.employeeId,
      sessionId: record.id,
    });
    return {
      accessToken: token,
      accessTokenExpiresAt: expiresAt,
      refreshToken,
      refreshTokenExpiresAt: record.expiresAt,
      user,
    };
  }
}

const dayMs = 86_400_000;

const refreshTokenOf = ({ id }: { id: string }): string => `${id}.${randomToken()}`;
