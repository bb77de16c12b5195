import { hashOf } from '../../documents/document-id.js';
import type { Release } from '../../documents/trusted-documents.js';

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
 * The gateway's own documents, which are always trusted: without them nobody could sign in to the IDE, or publish the first
 * document, where only trusted documents are executed. They are sent by these names.
 */
const texts = {
  'auspex-sign-in': `mutation SignIn($email: String!, $password: String!) {
  login(input: { email: $email, password: $password }) ${session}
}`,
  'auspex-refresh-session': `mutation RefreshSession($refreshToken: String!) {
  refreshSession(refreshToken: $refreshToken) ${session}
}`,
  'auspex-sign-out': `mutation SignOut {
  logout
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
  retireDocuments(client: $client, version: $version)
}`,
};

/** The gateway's own documents as a release. */
export const ownRelease: Release = {
  client: 'auspex',
  version: '1',
  documents: Object.entries(texts).map(([id, text]) => ({ id, text, hash: hashOf(text), operationName: /^mutation (\w+)/.exec(text)?.[1] ?? null })),
};
