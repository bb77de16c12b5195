import { Role } from '../../auth/viewer.js';
import {
  chain,
  hasRole,
  isCurrentAdministrator,
  isSession,
  type Permissions,
} from '../../graphql/permissions/rules.js';

/** A person reads the log: no scope of an API key covers what other accounts do. */
const mayReadAuditLog = chain(isSession, hasRole(Role.ADMIN), isCurrentAdministrator);

export const auditPermissions: Permissions = { Query: { auditLog: mayReadAuditLog } };
