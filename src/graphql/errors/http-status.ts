import type { GraphQLRequest, HTTPGraphQLHead } from '@apollo/server';
import type { GraphQLFormattedError } from 'graphql';
import { unwrapResolverError } from '@apollo/server/errors';
import { isRequestError } from '../../errors/codes.js';
import { chooseMediaType, responseTypes } from '../server/media-type.js';
import type { Stage } from '../server/stages/stage.js';
import { toAppError } from './to-app-error.js';

/**
 * Sets the HTTP status of responses without data, such as 401, 429 or 503. A response with data, even if each field is null, is
 * 200, as GraphQL over HTTP (6.4.2) requires. Request errors get 200 as well in `application/json`, whose clients take 400 for
 * a transport error.
 */
export const httpStatus: Stage = {
  begin: () => ({
    complete: ({ request, response, errors }) => {
      if (response.body?.kind !== 'single' || !errors?.length) return;
      const { http } = response;
      // The formatted errors: the thrown ones may be database errors without these fields.
      const { data, errors: formatted = [] } = response.body.singleResult;
      const retryAfter = retryAfterOf(formatted);
      if (retryAfter > 0) http.headers.set('retry-after', String(retryAfter));
      if (data != null) return;
      const status = commonStatus(errors);
      if (status !== undefined && status !== 200) http.status = status;
      if (http.status === 400 && areRequestErrors(formatted)) setStatusByType(http, request);
    },
  }),
};

/** Sets the content type as well, so that it cannot differ from the one that decided. */
function setStatusByType(response: HTTPGraphQLHead, { http }: GraphQLRequest): void {
  const type = chooseMediaType(http?.headers.get('accept'), responseTypes);
  if (type === null) return;
  response.headers.set('content-type', `${type}; charset=utf-8`);
  if (type === 'application/json') response.status = 200;
}

const areRequestErrors = (errors: readonly GraphQLFormattedError[]): boolean =>
  errors.every(({ extensions }) => isRequestError(extensions?.code));

/** The longest `retryAfterSeconds` of the errors, in whole seconds; 0 if none has one. */
export const retryAfterOf = (errors: readonly Pick<GraphQLFormattedError, 'extensions'>[]): number =>
  Math.ceil(Math.max(0, ...errors.map(({ extensions }) => Number(extensions?.retryAfterSeconds ?? 0))));

/**
 * The status that all errors share; undefined if they differ or have none. A 503 takes precedence: the other errors may not
 * occur once the operation can be executed.
 */
export function commonStatus(errors: readonly unknown[]): number | undefined {
  const statuses = new Set(errors.map((error) => toAppError(unwrapResolverError(error))?.httpStatus));
  if (statuses.has(503)) return 503;
  return statuses.size === 1 ? [...statuses][0] : undefined;
}
