import { Role, type AuthenticatedViewer } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';

/** A USER in a session, with new ids. */
export const viewerOf = (over: Partial<AuthenticatedViewer> = {}): AuthenticatedViewer => ({
  kind: 'session',
  userId: newId(),
  role: Role.USER,
  employeeId: null,
  credentialId: newId(),
  scopes: [],
  ...over,
});
