/*
 * Operations of the page itself. With TRUSTED_DOCUMENTS=enforce they must be trusted, otherwise nobody can sign in:
 * `node ide/print-documents.ts` writes them to schema/documents/graphiql/.
 */

const session = 'accessToken accessTokenExpiresAt refreshToken user { email role }';

export const signInMutation = `mutation SignIn($input: LoginInput!) { login(input: $input) { ${session} } }`;
export const codeMutation = `mutation SignInWithCode($code: String!, $verifier: String!) { signInWithCode(code: $code, verifier: $verifier) { ${session} } }`;
export const refreshMutation = `mutation RefreshSession($refreshToken: String!) { refreshSession(refreshToken: $refreshToken) { ${session} } }`;
export const signOutMutation = 'mutation SignOut { logout { signedOutUserId } }';
export const apiKeyOwnerQuery = 'query ApiKeyOwner { me { email role } }';
/** Input for the examples of models. */
export const modelsQuery =
  'query ModelsForExamples { models { name title current { exampleInput inputs { name type required shape minimum maximum values } } } }';

export const ownOperations = [
  signInMutation,
  codeMutation,
  refreshMutation,
  signOutMutation,
  apiKeyOwnerQuery,
  modelsQuery,
];
