import { Role, type Viewer } from '../../auth/viewer.js';

/** The user whose rows a viewer may read of a table with an owner; null for all rows. */
export type RowOwner = { userId: string } | null;

/**
 * The rule of `ownedBy`: an ADMIN with a session reads all rows, other callers those of their account. An API key has no
 * scope for other accounts, whatever the role of its owner.
 */
export function ownerFor(viewer: Viewer): RowOwner {
  if (viewer.kind === 'anonymous') return { userId: '' };
  return viewer.kind === 'session' && viewer.role === Role.ADMIN ? null : { userId: viewer.userId };
}
