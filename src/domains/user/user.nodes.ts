import { Role } from '../../auth/viewer.js';
import type { Context } from '../../graphql/context.js';
import { loading } from '../../graphql/loaders.js';
import type { NodeSources } from '../../graphql/node.js';
import { knownViewer } from '../../graphql/permissions.js';
import { apiKeyById, userById } from './user.loaders.js';
import type { ApiKeyRow, UserRow } from './user.types.js';

/** Users that the viewer may see, by id: an ADMIN everyone, others themselves; null for the rest. */
export async function visibleUsers(ids: readonly string[], context: Context): Promise<(UserRow | null)[]> {
  const viewer = knownViewer(context);
  // An API key has no scope for accounts: it sees its owner's only, whatever the owner's role.
  const seesAll = viewer.kind === 'session' && viewer.role === Role.ADMIN;
  const loader = context.load(userById);
  return Promise.all(ids.map((id) => (seesAll || viewer.userId === id ? loader.load(id) : Promise.resolve(null))));
}

/** The viewer's own API keys, by id; null for the rest. */
async function ownApiKeys(ids: readonly string[], context: Context): Promise<(ApiKeyRow | null)[]> {
  const { userId } = knownViewer(context);
  const keys = await loading(apiKeyById)(ids, context);
  return keys.map((key) => (key?.userId === userId ? key : null));
}

export const userNodes: NodeSources = {
  user: { type: 'User', readAs: 'user', read: visibleUsers },
  apikey: { type: 'ApiKey', readAs: 'apiKeys', read: ownApiKeys },
};
