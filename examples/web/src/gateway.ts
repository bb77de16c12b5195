import type { TypedDocumentNode } from '@apollo/client';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { version } from '../package.json';

/** Where the gateway is: on the origin of this page, by a proxy (see vite.config.ts). */
export const gatewayUrl = '/graphql';

/** Says which program asks, so that the gateway can count by whom a document is used. */
export const clientHeaders = { 'apollographql-client-name': 'example-web', 'apollographql-client-version': version };

/** The id by which the gateway knows a document: `sha256:` and the hash of its text. @throws Error for a document that was not generated */
export function documentIdOf(document: object): string {
  const { hash } = (document as { __meta__?: { hash?: string } }).__meta__ ?? {};
  if (hash === undefined) throw new Error('The gateway knows only the documents of operations.graphql; add this one there, and run: npm run codegen');
  return hash;
}

/**
 * Asks the gateway one thing, without cache and session: for what makes the session.
 * @throws CombinedGraphQLErrors with what the gateway refused; TypeError where it cannot be reached
 */
export async function ask<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables, accessToken?: string): Promise<Data> {
  const response = await fetch(gatewayUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...clientHeaders, ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }) },
    body: JSON.stringify({ documentId: documentIdOf(document), variables }),
  });
  const result = (await response.json().catch(() => null)) as { data?: Data | null; errors?: { message: string }[] } | null;
  if (result?.errors) throw new CombinedGraphQLErrors({ errors: result.errors });
  if (!result?.data) throw new TypeError(`The gateway answered with status ${response.status}.`);
  return result.data;
}

/** The codes of what the gateway refused, in order; none where it was not reached. */
export const codesOf = (error: unknown): unknown[] =>
  CombinedGraphQLErrors.is(error) ? error.errors.map(({ extensions }) => extensions?.code) : [];

/** What went wrong, for people. */
export function problemOf(error: unknown): string {
  if (CombinedGraphQLErrors.is(error)) return error.errors[0]?.message ?? error.message;
  return 'The gateway cannot be reached. Try again in a moment.';
}
