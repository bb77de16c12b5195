import type { TypedDocumentNode } from '@apollo/client';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { version } from '../package.json';

/** On the origin of the page, through a proxy (see vite.config.ts). */
export const gatewayUrl = '/graphql';

/** Identify this client, so that the gateway can count document usage by client. */
export const clientHeaders = { 'apollographql-client-name': 'example-web', 'apollographql-client-version': version };

/** The id of a document: `sha256:` and the hash of its text. @throws Error if the document was not generated */
export function documentIdOf(document: object): string {
  const { hash } = (document as { __meta__?: { hash?: string } }).__meta__ ?? {};
  if (hash === undefined)
    throw new Error(
      'The gateway trusts only documents of operations.graphql; add this one there, then run: npm run codegen',
    );
  return hash;
}

/**
 * Executes an operation without Apollo's cache and session links; used to manage the session itself.
 * @throws CombinedGraphQLErrors with the errors of the response; TypeError if the gateway is unreachable
 */
export async function execute<Data, Variables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  accessToken?: string,
): Promise<Data> {
  const response = await fetch(gatewayUrl, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...clientHeaders,
      ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
    },
    body: JSON.stringify({ documentId: documentIdOf(document), variables }),
  });
  const result = (await response.json().catch(() => null)) as {
    data?: Data | null;
    errors?: { message: string }[];
  } | null;
  if (result?.errors) throw new CombinedGraphQLErrors({ errors: result.errors });
  if (!result?.data) throw new TypeError(`The gateway returned status ${response.status}.`);
  return result.data;
}

/** The result of a mutation. It is null only beside an error, which `execute` throws. @throws TypeError */
export function resultOf<Result>(result: Result | null): Result {
  if (result === null) throw new TypeError('The gateway returned neither a result nor an error.');
  return result;
}

/** The codes of GraphQL errors, in order; empty for other errors. */
export const codesOf = (error: unknown): unknown[] =>
  CombinedGraphQLErrors.is(error) ? error.errors.map(({ extensions }) => extensions?.code) : [];

/** A message for users. */
export function problemOf(error: unknown): string {
  if (CombinedGraphQLErrors.is(error)) return error.errors[0]?.message ?? error.message;
  return 'The gateway cannot be reached. Try again in a moment.';
}
