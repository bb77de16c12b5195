import { Role } from '../../auth/viewer.js';
import { filterable } from '../../graphql/filtering/columns.js';

export const userColumns = filterable({
  type: 'User',
  table: 'user_account',
  columns: {
    id: { type: 'id', of: 'user', isIndexed: true },
    email: { type: 'text', isIndexed: true, collation: null },
    role: { type: 'enum', values: Role, enumName: 'Role' },
    isActive: { type: 'boolean' },
    createdAt: { type: 'datetime', isIndexed: true },
  },
});
