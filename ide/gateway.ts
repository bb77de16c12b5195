/** Relative to the page, so that it also works below a path prefix of a proxy. */
export const graphqlUrl = new URL('graphql', document.baseURI).href;

/** Identify this client in metrics and document usage. */
export const clientHeaders = { 'apollographql-client-name': 'graphiql' };

/** The first GraphQL error of a response. */
export class GatewayError extends Error {
  constructor(
    message: string,
    readonly code: string,
    /** Stands for the first step of a sign-in that requires a second one. */
    readonly challenge: string | null = null,
  ) {
    super(message);
    this.name = 'GatewayError';
  }
}

/** The message for the user. */
export function problemOf(error: unknown): string {
  if (error instanceof TypeError) return 'The gateway is unreachable. Try again in a moment.';
  return error instanceof Error ? error.message : String(error);
}

interface GraphqlResponse<Data> {
  data?: Data | null;
  errors?: { message: string; extensions?: { code?: string; challenge?: string } }[];
}

/**
 * Executes an operation of the page itself.
 * @throws GatewayError with the first error of the response; TypeError if the gateway is unreachable
 */
export async function execute<Data>(
  query: string,
  variables: Record<string, unknown>,
  headers: Record<string, string>,
): Promise<Data> {
  const response = await fetch(graphqlUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...clientHeaders, ...headers },
    body: JSON.stringify({ query, variables }),
  });
  // A proxy in front of the gateway may respond with HTML.
  const { data, errors } = (await response.json().catch(() => ({}))) as GraphqlResponse<Data>;
  const [error] = errors ?? [];
  if (error || !data)
    throw new GatewayError(
      error?.message ?? `The gateway returned status ${response.status} without data.`,
      error?.extensions?.code ?? 'UNKNOWN',
      error?.extensions?.challenge ?? null,
    );
  return data;
}
