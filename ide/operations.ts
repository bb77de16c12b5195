/*
 * Operations of the page itself. With TRUSTED_DOCUMENTS=enforce they must be trusted, otherwise nobody can sign in:
 * `node ide/print-documents.ts` writes them to schema/documents/graphiql/.
 */

const session = 'accessToken accessTokenExpiresAt refreshToken user { email role }';

export const signInMutation = `mutation SignIn($input: LoginInput!) { login(input: $input) { ${session} } }`;
export const codeMutation = `mutation SignInWithCode($code: String!, $verifier: String!) { signInWithCode(code: $code, verifier: $verifier) { ${session} } }`;
export const verifyMfaMutation = `mutation VerifyMfa($challenge: String!, $code: String!) { verifyMfa(challenge: $challenge, code: $code) { ${session} } }`;
export const beginMfaSetupMutation =
  'mutation BeginMfaSetup($challenge: String!) { beginMfaSetup(challenge: $challenge) { secret uri } }';
export const confirmMfaSetupMutation = `mutation ConfirmMfaSetup($challenge: String!, $code: String!) { confirmMfaSetup(challenge: $challenge, code: $code) { recoveryCodes session { ${session} } } }`;
export const refreshMutation = `mutation RefreshSession($refreshToken: String!) { refreshSession(refreshToken: $refreshToken) { ${session} } }`;
export const signOutMutation = 'mutation SignOut { logout { signedOutUserId } }';
export const apiKeyOwnerQuery = 'query ApiKeyOwner { me { email role } }';
/** Input for the examples of models. */
export const modelsQuery =
  'query ModelsForExamples { models { name title current { exampleInput inputs { name type required shape minimum maximum values } } } }';

export const ownOperations = [
  signInMutation,
  codeMutation,
  verifyMfaMutation,
  beginMfaSetupMutation,
  confirmMfaSetupMutation,
  refreshMutation,
  signOutMutation,
  apiKeyOwnerQuery,
  modelsQuery,
];
