import { LockMode } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { z } from 'zod';
import { AuditAction } from '../../audit/audit-event.js';
import type { RecordEvent } from '../../audit/audit-log.js';
import { createApiKeySecret } from '../../auth/api-key.js';
import { endReasons } from '../../auth/credential-changes.js';
import { Role, SCOPES, type AuthenticatedViewer, type Scope } from '../../auth/viewer.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { BadUserInput, Conflict, NotFound, Unauthenticated } from '../../errors/app-error.js';
import { validateFields, singleLine } from '../../errors/input-validation.js';
import { ApiKey } from './api-key.entity.js';
import { User } from './user.entity.js';
import type { CreatedApiKey, RevokeApiKeyPayload } from './user.types.js';

/** Maximum API keys per user. */
const maxKeysPerUser = 50;

/** Default scopes: read and predict, without writes. */
const defaultScopes: Scope[] = ['employees:read', 'predict'];

const fields = {
  name: singleLine(100),
  scopes: z
    .array(z.enum(SCOPES, `must be any of ${SCOPES.join(', ')}`))
    .min(1, 'must not be empty; leave it out for the default')
    .max(SCOPES.length, 'must not repeat'),
};

const expiryWithin = (maxDays: number) =>
  z
    .date()
    .refine((date) => date.getTime() > Date.now(), 'must lie in the future')
    .refine((date) => date.getTime() <= latestExpiry(maxDays).getTime(), `must be within ${maxDays} days`);

const latestExpiry = (maxDays: number): Date => new Date(Date.now() + maxDays * 86_400_000);

/**
 * Creates a key that acts for the viewer.
 * @throws BadUserInput with every invalid field; Conflict if the viewer has the maximum of keys; Unauthenticated if the account
 * was deactivated
 */
export async function createKey(
  em: SqlEntityManager,
  viewer: AuthenticatedViewer,
  input: { name: string; scopes: string[] | null | undefined; expiresAt: Date | null },
  { maxDays, record }: { maxDays: number; record: RecordEvent },
): Promise<CreatedApiKey> {
  const allFields = { ...fields, expiresAt: expiryWithin(maxDays) };
  const { value, problems } = validateFields(allFields, {
    ...input,
    expiresAt: input.expiresAt ?? latestExpiry(maxDays),
  });
  if (problems.length > 0 || value.name === undefined) throw BadUserInput.ofFields(problems);
  const { name, scopes, expiresAt } = value;
  const { secret, prefix, hash } = createApiKeySecret();
  const apiKey = await em.transactional(async (transaction) => {
    // Locks the owner, so that concurrent calls cannot exceed the limit. An access token outlives a deactivation.
    const owner = await transaction.findOne(
      User,
      { id: viewer.userId, isActive: true },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    if (!owner) throw new Unauthenticated(endReasons.user);
    if ((await transaction.count(ApiKey, { userId: owner.id })) >= maxKeysPerUser) {
      throw new Conflict(`You have ${maxKeysPerUser} API keys, the maximum; revoke one first.`);
    }
    const created = transaction.create(ApiKey, {
      userId: owner.id,
      name,
      prefix,
      secretHash: hash,
      scopes: [...new Set(scopes ?? defaultScopes)],
      lastUsedAt: null,
      expiresAt: expiresAt ?? latestExpiry(maxDays),
    });
    const action = AuditAction.API_KEY_CREATE;
    await record(transaction, { action, target: encodeId('apikey', created.id), after: valuesOf(created) });
    return created;
  });
  return { apiKey, secret };
}

/**
 * Revokes a key of the viewer; an ADMIN may revoke any key. @returns its ID and the number of keys that its owner has left
 * @throws NotFound, also for a key of another user
 */
export async function revokeKey(
  em: SqlEntityManager,
  viewer: AuthenticatedViewer,
  id: string,
  record: RecordEvent,
): Promise<RevokeApiKeyPayload> {
  const owned = viewer.role === Role.ADMIN ? {} : { userId: viewer.userId };
  return em.transactional(async (transaction) => {
    const key = await transaction.findOne(ApiKey, { id, ...owned }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (!key) throw new NotFound('API key', encodeId('apikey', id));
    await transaction.nativeDelete(ApiKey, { id });
    const action = AuditAction.API_KEY_REVOKE;
    await record(transaction, { action, target: encodeId('apikey', id), before: valuesOf(key) });
    const remainingCount = await transaction.count(ApiKey, { userId: key.userId });
    return { revokedApiKeyId: encodeId('apikey', id), remainingCount };
  });
}

/** What the audit log shows of a key. */
const valuesOf = ({ userId, name, scopes, expiresAt }: ApiKey) => ({
  userId: encodeId('user', userId),
  name,
  scopes,
  expiresAt: expiresAt?.toISOString() ?? null,
});
