/** The endpoint of GraphQL for every transport. */
export const graphqlPath = '/graphql';

/** The URL of a request with `/graphql/` replaced by `/graphql`; any other unchanged. */
export function withoutTrailingSlash(url: string): string {
  const rest = url.slice(graphqlPath.length + 1);
  return url.startsWith(`${graphqlPath}/`) && (rest === '' || rest.startsWith('?')) ? `${graphqlPath}${rest}` : url;
}
