import type { GraphQLResolveInfo } from 'graphql';
import { Role, type Viewer } from '../../auth/viewer.js';
import type { Context } from '../../graphql/context/context.js';
import type { LoaderKind } from '../../graphql/context/loader-kind.js';
import { loading } from '../../graphql/context/loader-factories.js';
import type { NodeSources } from '../../graphql/relay/node.js';
import type { Visibility } from '../../graphql/permissions/visibility.js';
import { apiKeyById, sessionById, userById } from './user.loaders.js';
import type { UserRow } from './user.types.js';

/** Whether the viewer may see an account: an ADMIN every one, others their own. */
function maySeeUser(viewer: Viewer, userId: string): boolean {
  if (viewer.kind === 'anonymous') return false;
  // An API key has no scope for accounts: it sees its owner's only, whatever the owner's role.
  return viewer.userId === userId || (viewer.kind === 'session' && viewer.role === Role.ADMIN);
}

/** Users that the viewer may see, by id; null for the rest. */
export async function visibleUsers(
  ids: readonly string[],
  context: Context,
  info: GraphQLResolveInfo,
): Promise<(UserRow | null)[]> {
  const loader = context.load(userById.selectedBy(info));
  return Promise.all(ids.map((id) => (maySeeUser(context.viewer, id) ? loader.load(id) : Promise.resolve(null))));
}

/** Loads what belongs to users, by id; null for that of users whom the viewer may not see. */
const visibleOf =
  <Row extends { userId: string }>(kind: LoaderKind<string, Row | null>) =>
  async (ids: readonly string[], context: Context): Promise<(Row | null)[]> => {
    const rows = await loading(kind)(ids, context);
    return rows.map((row) => (row && maySeeUser(context.viewer, row.userId) ? row : null));
  };

export const userNodes: NodeSources = {
  user: { type: 'User', readAs: 'user', read: visibleUsers },
  apikey: { type: 'ApiKey', readAs: 'apiKeys', read: visibleOf(apiKeyById) },
  session: { type: 'UserSession', readAs: 'User.sessions', read: visibleOf(sessionById) },
};

/** Other types refer to users, too: who requested a prediction, who promoted a version. */
export const userVisibility: Visibility = { User: (viewer, { id }) => maySeeUser(viewer, id) };
