import { LockMode } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { z } from 'zod';
import { createApiKeySecret } from '../../auth/api-key.js';
import { Role, SCOPES, type KnownViewer, type Scope } from '../../auth/viewer.js';
import { encodeId } from '../../graphql/id.js';
import { BadUserInput, Conflict, NotFound, Unauthenticated } from '../../shared/errors.js';
import { checkFields, line } from '../../shared/validation.js';
import { ApiKey } from './api-key.entity.js';
import { User } from './user.entity.js';
import type { CreatedApiKey } from './user.types.js';

/** API keys that a user has at a time. */
const maxKeysPerUser = 50;

/** What a key may do where nothing is said: read and predict, but change nothing. */
const defaultScopes: Scope[] = ['employees:read', 'predict'];

const fields = {
  name: line(100),
  scopes: z.array(z.enum(SCOPES, `must be any of ${SCOPES.join(', ')}`)).min(1, 'must not be empty; leave it out for the default').max(SCOPES.length, 'must not repeat'),
  expiresAt: z.date().refine((date) => date.getTime() > Date.now(), 'must lie in the future'),
};

/**
 * Makes a key that acts for the viewer.
 * @throws BadUserInput with every faulty field; Conflict where the viewer has as many keys as one may have; Unauthenticated
 * where the account was switched off
 */
export async function createKey(
  em: SqlEntityManager,
  viewer: KnownViewer,
  input: { name: string; scopes: string[] | null; expiresAt: Date | null },
): Promise<CreatedApiKey> {
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
  const { value, problems } = checkFields(fields, given);
  if (problems.length > 0 || value.name === undefined) throw BadUserInput.ofFields(problems);
  const { name, scopes, expiresAt } = value;
  const { secret, prefix, hash } = createApiKeySecret();
  const apiKey = await em.transactional(async (transaction) => {
    // The owner is locked, so that calls at once are counted one after the other. An access token outlives the account's switching off.
    const owner = await transaction.findOne(User, { id: viewer.userId, isActive: true }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!owner) throw new Unauthenticated('The account is switched off.');
    if ((await transaction.count(ApiKey, { userId: owner.id })) >= maxKeysPerUser) {
      throw new Conflict(`You have ${maxKeysPerUser} API keys, which is as many as one may have; revoke one first.`);
    }
    return transaction.create(ApiKey, {
      userId: owner.id,
      name,
      prefix,
      secretHash: hash,
      scopes: [...new Set(scopes ?? defaultScopes)],
      lastUsedAt: null,
      expiresAt: expiresAt ?? null,
    });
  });
  return { apiKey, secret };
}

/**
 * Ends a key at once: one of the viewer's own, or, for an administrator, anyone's.
 * @throws NotFound, also for the key of someone else
 */
export async function revokeKey(em: SqlEntityManager, viewer: KnownViewer, id: string): Promise<void> {
  const owned = viewer.role === Role.ADMIN ? {} : { userId: viewer.userId };
  const revoked = await em.nativeDelete(ApiKey, { id, ...owned });
  if (revoked === 0) throw new NotFound('API key', encodeId('apikey', id));
}
