import type { ApolloServerPlugin, GraphQLRequest } from '@apollo/server';
import type { GraphQLFormattedError } from 'graphql';
import { unwrapResolverError } from '@apollo/server/errors';
import { appErrorOf } from './app-error.js';

/**
 * Gives an answer that holds nothing but errors their HTTP status: 401 for a caller who must sign in, 429, 503.
 * An answer with any data in it stays 200, as GraphQL over HTTP has it. So does, for callers who do not know
 * `application/graphql-response+json`, one to an operation that cannot be executed: they take 400 for a broken transport.
 */
export const httpStatus: ApolloServerPlugin = {
  requestDidStart: () =>
    Promise.resolve({
      willSendResponse: ({ request, response, errors }) => {
        if (response.body.kind !== 'single' || !errors?.length || hasAnswer(response.body.singleResult.data)) return Promise.resolve();
        const status = commonStatus(errors);
        if (status !== undefined && status !== 200) response.http.status = status;
        if (response.http.status === 400 && !knowsGraphqlResponse(request) && isRequestError(response.body.singleResult.errors)) response.http.status = 200;
        // As they are told: what was thrown may be the database's own error.
        const retryAfter = retryAfterOf(response.body.singleResult.errors ?? []);
        if (retryAfter > 0) response.http.headers.set('retry-after', String(retryAfter));
        return Promise.resolve();
      },
    }),
};

const hasAnswer = (data: Record<string, unknown> | null | undefined): boolean => Object.values(data ?? {}).some((value) => value !== null);

/** The codes of well-formed requests whose operation cannot be executed. */
const requestErrors: readonly unknown[] = ['GRAPHQL_PARSE_FAILED', 'GRAPHQL_VALIDATION_FAILED', 'OPERATION_RESOLUTION_FAILURE', 'BAD_USER_INPUT'];

const isRequestError = (errors: readonly GraphQLFormattedError[] | undefined): boolean =>
  errors?.every(({ extensions }) => requestErrors.includes(extensions?.code)) === true;

const knowsGraphqlResponse = ({ http }: GraphQLRequest): boolean => http?.headers.get('accept')?.includes('application/graphql-response+json') === true;

/** The whole seconds after which it can be tried again, by the errors that say so; 0 where none does. */
export const retryAfterOf = (errors: readonly Pick<GraphQLFormattedError, 'extensions'>[]): number =>
  Math.ceil(Math.max(0, ...errors.map(({ extensions }) => Number(extensions?.retryAfterSeconds ?? 0))));

/**
 * The status that all errors agree on; undefined also where they are none that have one. With one among them that says 503 it
 * is that: what else is wrong may not even be so once the operation can be done.
 */
export function commonStatus(errors: readonly unknown[]): number | undefined {
  const statuses = new Set(errors.map((error) => appErrorOf(unwrapResolverError(error))?.httpStatus));
  if (statuses.has(503)) return 503;
  return statuses.size === 1 ? [...statuses][0] : undefined;
}
