/*
 * What the page itself asks, apart from what is typed into it. Where only trusted documents are executed these must be among
 * them, or nobody could sign in: `node ide/print-documents.ts` writes them into schema/documents/graphiql/.
 */

const session = 'accessToken accessTokenExpiresAt refreshToken user { email role }';

export const signInMutation = `mutation SignIn($input: LoginInput!) { login(input: $input) { ${session} } }`;
export const refreshMutation = `mutation RefreshSession($refreshToken: String!) { refreshSession(refreshToken: $refreshToken) { ${session} } }`;
export const signOutMutation = 'mutation SignOut { logout }';
export const whoseKeyQuery = 'query WhoseKey { me { email role } }';
/** What examples of models are made from, beside the schema. */
export const modelsQuery = 'query ModelsForExamples { models { name title current { inputs { name type shape minimum maximum values } } } }';

export const ownOperations = [signInMutation, refreshMutation, signOutMutation, whoseKeyQuery, modelsQuery];
