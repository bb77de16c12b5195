import { GraphQLDateTime } from 'graphql-scalars';
import { Arg, Ctx, Extensions, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { viewerTopic } from '../../auth/live-viewers.js';
import type { Context } from '../../graphql/context.js';
import { decodeId, encodeId } from '../../graphql/id.js';
import { knownViewer } from '../../graphql/permissions.js';
import type { PubSub } from '../../shared/pub-sub.js';
import { ApiKey } from './api-key.entity.js';
import { createKey, revokeKey } from './api-key.service.js';
import { apiKeysOf } from './user.queries.js';
import { CreatedApiKey, type ApiKeyRow } from './user.types.js';

@Resolver(() => ApiKey)
export class ApiKeyResolver {
  constructor(readonly pubSub: PubSub) {}

  @Query(() => [ApiKey], { description: 'The own API keys, the newest first.' })
  @Extensions({ listSize: 50 })
  apiKeys(@Ctx() context: Context): Promise<ApiKeyRow[]> {
    return apiKeysOf(context.db, knownViewer(context).userId);
  }

  @Mutation(() => CreatedApiKey, { description: 'Makes an API key that acts for who is asking. The secret is shown this once.' })
  createApiKey(
    @Arg('name', { description: 'What the key is for.' }) name: string,
    @Arg('scopes', () => [String], {
      nullable: true,
      description: 'Any of employees:read, employees:write, predict, documents:publish; employees:read and predict if absent.',
    })
    scopes: string[] | null,
    @Arg('expiresAt', () => GraphQLDateTime, { nullable: true, description: 'When the key stops working; never if absent.' }) expiresAt: Date | null,
    @Ctx() context: Context,
  ): Promise<CreatedApiKey> {
    return createKey(context.em, knownViewer(context), { name, scopes: scopes ?? null, expiresAt: expiresAt ?? null });
  }

  @Mutation(() => Boolean, { description: "Ends an API key at once. One's own, or, as ADMIN, anyone's." })
  async revokeApiKey(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<boolean> {
    const credentialId = decodeId('apikey', id);
    await revokeKey(context.em, knownViewer(context), credentialId);
    this.pubSub.publish(viewerTopic, { credentialId });
    return true;
  }

  @FieldResolver(() => ID, { description: 'The id: apikey_ and 26 characters.' })
  id(@Root() apiKey: ApiKeyRow): string {
    return encodeId('apikey', apiKey.id);
  }
}
