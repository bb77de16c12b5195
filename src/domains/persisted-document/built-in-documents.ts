import { hashOf } from '../../persisted-documents/document-request.js';
import type { Release } from '../../persisted-documents/trusted-documents.js';

const session = `{
    accessToken
    accessTokenExpiresAt
    refreshToken
    refreshTokenExpiresAt
    user {
      id
      email
      role
    }
  }`;

/**
 * Documents of the gateway, which are always trusted. If only trusted documents are executed, GraphiQL needs them to sign in,
 * and publishing the first documents needs them, too. Clients send these ids.
 */
const texts = {
  'auspex-sign-in': `mutation SignIn($email: String!, $password: String!) {
  login(input: { email: $email, password: $password }) ${session}
}`,
  'auspex-refresh-session': `mutation RefreshSession($refreshToken: String!) {
  refreshSession(refreshToken: $refreshToken) ${session}
}`,
  'auspex-sign-out': `mutation SignOut {
  logout {
    signedOutUserId
  }
}`,
  'auspex-set-password': `mutation SetPassword($token: String!, $newPassword: String!) {
  setPassword(token: $token, newPassword: $newPassword) {
    email
  }
}`,
  'auspex-publish-documents': `mutation PublishDocuments($client: String!, $version: String!, $manifest: JSONObject!) {
  publishDocuments(client: $client, version: $version, manifest: $manifest) {
    client
    version
    documentCount
    publishedAt
  }
}`,
  'auspex-retire-documents': `mutation RetireDocuments($client: String!, $version: String!) {
  retireDocuments(client: $client, version: $version) {
    retiredReleaseId
    documentCount
  }
}`,
};

/** The documents of the gateway as a release. */
export const ownRelease: Release = {
  client: 'auspex',
  version: '1',
  documents: Object.entries(texts).map(([id, text]) => ({
    id,
    text,
    hash: hashOf(text),
    operationName: /^mutation (\w+)/.exec(text)?.[1] ?? null,
  })),
};
