/** What a user may do; see the descriptions in the schema. */
export enum Role {
  ADMIN = 'ADMIN',
  MANAGER = 'MANAGER',
  USER = 'USER',
}

/** What an API key may be used for. A signed-in session has every scope. */
export const SCOPES = ['employees:read', 'employees:write', 'predict', 'documents:publish'] as const;
export type Scope = (typeof SCOPES)[number];

/** A caller who is known, by a session's access token or by an API key. */
export interface KnownViewer {
  kind: 'session' | 'apiKey';
  userId: string;
  role: Role;
  /** Which employee this user is; the rules' "own". */
  employeeId: string | null;
  /** The session or the API key that the call came with. */
  credentialId: string;
  scopes: readonly Scope[];
  /** When the credential stops working by itself; absent: never. */
  expiresAt?: Date | undefined;
}

/** A caller who is not known. `reason` says why a credential that was sent is no good. */
export interface Stranger {
  kind: 'stranger';
  reason?: string;
}

export type Viewer = KnownViewer | Stranger;

/** How credentials are looked up. */
export interface ViewerSources {
  /** Whose access token it is. */
  verifyToken: (token: string) => Viewer;
  /** Whose API key it is, by the key as sent. */
  findByApiKey: (secret: string) => Promise<Viewer>;
}

/** The credentials of a request: `authorization` and `x-api-key`. */
export interface Credentials {
  authorization?: string | undefined;
  apiKey?: string | undefined;
}

/**
 * Who is calling. A credential that is no good makes a stranger with the reason, and no error: who has an expired
 * token must still be able to refresh the session.
 */
export async function readViewer({ authorization, apiKey }: Credentials, { verifyToken, findByApiKey }: ViewerSources): Promise<Viewer> {
  if (authorization !== undefined && apiKey !== undefined) {
    return { kind: 'stranger', reason: 'Send either the header authorization or x-api-key, not both.' };
  }
  if (apiKey !== undefined) return findByApiKey(apiKey);
  if (authorization === undefined) return { kind: 'stranger' };
  const token = /^Bearer +([^\s]+)$/i.exec(authorization)?.[1];
  if (token === undefined) return { kind: 'stranger', reason: 'The header authorization must be "Bearer" and an access token.' };
  return verifyToken(token);
}
