import type { Domain } from '../../graphql/domain.js';
import { ApiKey } from './api-key.entity.js';
import { ApiKeyResolver } from './api-key.resolver.js';
import { SessionRecord } from './session.entity.js';
import { SessionResolver } from './session.resolver.js';
import { Sessions } from './session.service.js';
import { User } from './user.entity.js';
import { userPermissions } from './user.permissions.js';
import { UserResolver } from './user.resolver.js';

/** Accounts, their sessions and their API keys. */
export const userDomain: Domain = {
  name: 'user',
  entities: [User, SessionRecord, ApiKey],
  resolvers: [UserResolver, SessionResolver, ApiKeyResolver],
  permissions: userPermissions,
  open: ({ tokens, throttle, pubSub, settings }) => ({
    resolvers: [new UserResolver(pubSub), new SessionResolver(new Sessions(tokens, throttle, settings), pubSub), new ApiKeyResolver(pubSub)],
  }),
};
