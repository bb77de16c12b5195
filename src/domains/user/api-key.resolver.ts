import { Arg, Ctx, Extensions, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { AuditLog } from '../../audit/audit-log.js';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import { Invalidates } from '../../graphql/schema/cache-control.js';
import type { Context } from '../../graphql/context/context.js';
import { decodeId, encodeId } from '../../graphql/relay/global-id.js';
import { requireViewer } from '../../graphql/permissions/rules.js';
import type { CredentialChangeWatcher } from './credential-change.watcher.js';
import { ApiKey } from './api-key.entity.js';
import { createKey, revokeKey } from './api-key.service.js';
import { apiKeysByUser } from './user.loaders.js';
import { CreatedApiKey, RevokeApiKeyPayload, type ApiKeyRow } from './user.types.js';

@Resolver(() => ApiKey)
export class ApiKeyResolver {
  constructor(
    readonly changes: Pick<CredentialChangeWatcher, 'refresh'>,
    readonly audit: Pick<AuditLog, 'by'>,
    readonly maxDays: number,
  ) {}

  @Query(() => [ApiKey], { description: "The viewer's API keys, newest first." })
  @Extensions({ listSize: 50 })
  apiKeys(@Ctx() context: Context): Promise<ApiKeyRow[]> {
    return context.load(apiKeysByUser).load(requireViewer(context).userId);
  }

  @Invalidates('ApiKey')
  @Mutation(() => CreatedApiKey, {
    nullable: true,
    description:
      'Creates an API key that acts for the viewer. The secret is shown only once. REAUTHENTICATION_REQUIRED more than five minutes after the password was proved.',
  })
  createApiKey(
    @Arg('name', { description: 'A name for the key, up to 100 characters.' }) name: string,
    @Arg('scopes', () => [String], {
      nullable: true,
      description:
        'Any of employees:read, employees:write, predict, documents:publish; employees:read and predict if absent. Must not be null.',
    })
    scopes: string[] | null | undefined,
    @Arg('expiresAt', () => GraphQLDateTime, {
      nullable: true,
      description: 'Expiry, within API_KEY_MAX_DAYS; the latest possible one if null or absent.',
    })
    expiresAt: Date | null,
    @Ctx() context: Context,
  ): Promise<CreatedApiKey> {
    const input = { name, scopes, expiresAt: expiresAt ?? null };
    return createKey(context.em, requireViewer(context), input, {
      maxDays: this.maxDays,
      record: this.audit.by(context),
    });
  }

  @Invalidates('ApiKey')
  @Mutation(() => RevokeApiKeyPayload, {
    nullable: true,
    description: "Revokes an API key immediately. Requires the key's owner or an ADMIN.",
  })
  async revokeApiKey(
    @Arg('id', () => ID, { description: 'ID of the API key.' }) id: string,
    @Ctx() context: Context,
  ): Promise<RevokeApiKeyPayload> {
    const credentialId = decodeId('apikey', id);
    const revoked = await revokeKey(context.em, requireViewer(context), credentialId, this.audit.by(context));
    await this.changes.refresh();
    return revoked;
  }

  @FieldResolver(() => ID, { description: 'Global ID: apikey_ and 26 characters.' })
  id(@Root() apiKey: ApiKeyRow): string {
    return encodeId('apikey', apiKey.id);
  }
}
