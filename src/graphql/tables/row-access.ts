import { Role, type Viewer } from '../../auth/viewer.js';
import { everyRow, type Condition } from '../filtering/condition.js';
import type { TableColumn, TableMapping } from './existing-table.js';

const noRow: Condition = { kind: 'or', of: [] };

/**
 * The rows of a table that a viewer may see. The rule of `ownedBy`: an ADMIN with a session reads all rows, other callers those
 * of their account. An API key has no scope for other accounts, whatever the role of its owner.
 */
export function visibleRows({ owner }: Pick<TableMapping, 'owner'>, viewer: Viewer): Condition {
  if (!owner || (viewer.kind === 'session' && viewer.role === Role.ADMIN)) return everyRow;
  return viewer.kind === 'anonymous' ? noRow : isOwnedBy(owner, viewer.userId);
}

const isOwnedBy = ({ name, property, type }: TableColumn, userId: string): Condition => ({
  kind: 'comparison',
  column: { type: type.filter === 'uuid' ? 'uuid' : 'text', name: property, column: name, collation: null },
  operator: 'eq',
  value: userId,
  field: property,
  hasStablePlan: true,
});
