/** GraphQL lies beside the page, also where a proxy puts both below a path of its own. */
export const graphqlUrl = new URL('graphql', document.baseURI).href;

/** What this program says it is, with every operation. */
export const clientHeaders = { 'apollographql-client-name': 'graphiql' };

/** The gateway's refusal, in its own words. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
    this.name = 'Refusal';
  }
}

interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

/**
 * The data that an operation of the page's own gives.
 * @throws Refusal with the gateway's first error; TypeError where nobody answers
 */
export async function ask<Data>(query: string, variables: Record<string, unknown>, headers: Record<string, string>): Promise<Data> {
  const response = await fetch(graphqlUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...clientHeaders, ...headers },
    body: JSON.stringify({ query, variables }),
  });
  // What stands in front of the gateway may answer for it, and in HTML.
  const { data, errors } = (await response.json().catch(() => ({}))) as Answer<Data>;
  const [error] = errors ?? [];
  if (error || !data) throw new Refusal(error?.message ?? `The gateway answered ${response.status} without data.`, error?.extensions?.code ?? 'UNKNOWN');
  return data;
}
