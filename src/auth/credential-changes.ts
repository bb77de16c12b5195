import { isDeepStrictEqual } from 'node:util';
import { LRUCache } from 'lru-cache';
import { entryLimit } from '../cache/entry-limit.js';
import type { AuthenticatedViewer, Role } from './viewer.js';

/** A recent change of what a credential stands for. */
export type CredentialChange =
  | { kind: 'session' | 'apiKey'; id: string; changedAt: Date }
  /** The user as it is now; null if the account was deleted. */
  | { kind: 'user'; id: string; changedAt: Date; user: CurrentUser | null };

/** What an access token claims about its user. */
interface CurrentUser {
  isActive: boolean;
  role: Role;
  employeeId: string | null;
}

/** Why a credential has ended, by the changes that are known here. */
export interface Contradiction {
  /** For the owner of the credential. */
  reason: string;
  /** Whether no later change can make the credential valid: sessions and deleted users do not come back, a role may. */
  isFinal: boolean;
}

type UserState = Pick<Extract<CredentialChange, { kind: 'user' }>, 'user' | 'changedAt'>;

/** Far more changes than happen within the lifetime of an access token. */
const maxChanges = 100_000;

/**
 * The changes of credentials within the lifetime of an access token: ended sessions and changed users. A token that contradicts
 * them is rejected, although its signature is valid. Kept in memory, so that a check costs no statement.
 */
export class CredentialChanges {
  readonly #endedSessions: LRUCache<string, Date>;
  readonly #users: LRUCache<string, UserState>;
  readonly #ttlMs: number;
  readonly #listeners = new Set<(change: CredentialChange) => void>();
  #isFollowing = false;
  #evictedUntilMs = 0;

  /** @param ttlMs the lifetime of an access token: later, no token can contradict the change */
  constructor(ttlMs: number, max = maxChanges) {
    this.#ttlMs = ttlMs;
    const dispose = (_value: unknown, _key: string, reason: string): void => {
      if (reason === 'evict') this.#evictedUntilMs = Date.now() + ttlMs;
    };
    const options = { ...entryLimit(max), ttl: ttlMs, dispose };
    this.#endedSessions = new LRUCache<string, Date>(options);
    this.#users = new LRUCache<string, UserState>(options);
  }

  /** The lifetime of an access token in milliseconds. */
  get ttlMs(): number {
    return this.#ttlMs;
  }

  /** Whether every change within the lifetime of a token is known. Otherwise read the database. */
  get isComplete(): boolean {
    return this.#isFollowing && Date.now() >= this.#evictedUntilMs;
  }

  /** Sets whether changes arrive. Until then a change may have been missed. */
  setFollowing(isFollowing: boolean): void {
    this.#isFollowing = isFollowing;
  }

  /** Adds changes; one that was added before has no effect. */
  add(changes: readonly CredentialChange[]): void {
    for (const change of changes) {
      if (this.#isKnown(change)) continue;
      if (change.kind === 'user') this.#users.set(change.id, change);
      else this.#endedSessions.set(change.id, change.changedAt);
      for (const listener of this.#listeners) listener(change);
    }
  }

  #isKnown(change: CredentialChange): boolean {
    if (change.kind !== 'user') return this.#endedSessions.peek(change.id) !== undefined;
    const known = this.#users.peek(change.id);
    return known?.changedAt.getTime() === change.changedAt.getTime() && isDeepStrictEqual(known.user, change.user);
  }

  /** @returns the known change that contradicts the credential of a viewer, or null if there is none */
  contradictionOf({ kind, credentialId, userId, role, employeeId }: AuthenticatedViewer): Contradiction | null {
    if (this.#endedSessions.has(credentialId)) return { reason: endReasons[kind], isFinal: true };
    const changed = this.#users.get(userId);
    if (!changed) return null;
    const { user } = changed;
    if (!user?.isActive) return { reason: endReasons.user, isFinal: user === null };
    const isSame = user.role === role && user.employeeId === employeeId;
    return isSame ? null : { reason: endReasons.claims, isFinal: false };
  }

  /** Calls the listener for each new change. @returns a function that unsubscribes */
  subscribe(listener: (change: CredentialChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** Why a credential has ended, for its owner. */
export const endReasons = {
  session: 'The session has ended; sign in again.',
  apiKey: 'The API key has expired or was revoked.',
  external: 'The account is no longer linked to the subject of the access token.',
  user: 'The account is switched off.',
  claims: 'Your role or employee has changed; refresh the session.',
} as const;
