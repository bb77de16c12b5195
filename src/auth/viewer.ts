/** The role of a user; the schema describes what each may do. */
export enum Role {
  ADMIN = 'ADMIN',
  MANAGER = 'MANAGER',
  USER = 'USER',
}

/** Permissions of an API key. A session has every scope. */
export const SCOPES = ['employees:read', 'employees:write', 'predict', 'documents:publish'] as const;
export type Scope = (typeof SCOPES)[number];

/** A caller with a valid access token, of this gateway or of a trusted identity provider, or an API key. */
export interface AuthenticatedViewer {
  kind: 'session' | 'apiKey' | 'external';
  userId: string;
  role: Role;
  /** The user's employee record: "own" in permission rules. */
  employeeId: string | null;
  /** The session or API key of the request; for a token of an identity provider the link of its subject to the user. */
  credentialId: string;
  scopes: readonly Scope[];
  /** When the credential expires; absent: never. */
  expiresAt?: Date | undefined;
}

/** A caller without a valid credential. `reason` says why the credential that was sent is invalid. */
export interface AnonymousViewer {
  kind: 'anonymous';
  reason?: string;
}

export type Viewer = AuthenticatedViewer | AnonymousViewer;

/** Looks up credentials. */
export interface ViewerSources {
  verifyToken: (token: string) => Viewer | Promise<Viewer>;
  findByApiKey: (secret: string) => Promise<Viewer>;
}

/** The credentials of a request: `authorization` and `x-api-key`. */
export interface Credentials {
  authorization?: string | undefined;
  apiKey?: string | undefined;
}

/**
 * Resolves the viewer of a request. An invalid credential yields an anonymous viewer with the reason, not an error: a
 * client with an expired token must still be able to refresh its session.
 */
export async function resolveViewer(
  { authorization, apiKey }: Credentials,
  { verifyToken, findByApiKey }: ViewerSources,
): Promise<Viewer> {
  if (authorization !== undefined && apiKey !== undefined) {
    return { kind: 'anonymous', reason: 'Send either the header authorization or x-api-key, not both.' };
  }
  if (apiKey !== undefined) return findByApiKey(apiKey);
  if (authorization === undefined) return { kind: 'anonymous' };
  const token = /^Bearer +([^\s]+)$/i.exec(authorization)?.[1];
  if (token === undefined)
    return { kind: 'anonymous', reason: 'The header authorization must be "Bearer" and an access token.' };
  return verifyToken(token);
}
