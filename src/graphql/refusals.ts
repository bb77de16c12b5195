/** Why an answer was refused. */
export type RefusalReason = 'unauthenticated' | 'forbidden' | 'too_many_requests' | 'untrusted_document' | 'too_large' | 'bad_request' | 'overloaded';

/**
 * Every code that an error may have, and what it says of the answer: why it was refused; that the gateway `failed`; or, by null,
 * that the caller is told how things are, as with faulty input.
 */
const meanings = new Map<unknown, RefusalReason | 'failed' | null>([
  ['UNAUTHENTICATED', 'unauthenticated'],
  ['FORBIDDEN', 'forbidden'],
  ['TOO_MANY_REQUESTS', 'too_many_requests'],
  ['DOCUMENT_NOT_TRUSTED', 'untrusted_document'],
  ['QUERY_TOO_LARGE', 'too_large'],
  ['PAYLOAD_TOO_LARGE', 'too_large'],
  ['URI_TOO_LONG', 'too_large'],
  ['HEADERS_TOO_LARGE', 'too_large'],
  ['BAD_REQUEST', 'bad_request'],
  ['REQUEST_TIMEOUT', 'bad_request'],
  ['METHOD_NOT_ALLOWED', 'bad_request'],
  ['UNSUPPORTED_MEDIA_TYPE', 'bad_request'],
  ['GRAPHQL_PARSE_FAILED', 'bad_request'],
  ['GRAPHQL_VALIDATION_FAILED', 'bad_request'],
  ['OPERATION_RESOLUTION_FAILURE', 'bad_request'],
  ['OVERLOADED', 'overloaded'],
  ['INTERNAL_SERVER_ERROR', 'failed'],
  ['SERVICE_UNAVAILABLE', 'failed'],
  ['TIMEOUT', 'failed'],
  ['BAD_USER_INPUT', null],
  ['NOT_FOUND', null],
  ['CONFLICT', null],
  ['SLOW_READER', null],
  // A step on the way of automatic persisted queries: the client sends the text next.
  ['PERSISTED_QUERY_NOT_FOUND', null],
  ['PERSISTED_QUERY_NOT_SUPPORTED', null],
]);

/** The code, where it is one that the gateway gives; so that what is counted by code stays bounded. */
export const knownCode = (code: unknown): string => (typeof code === 'string' && meanings.has(code) ? code : 'OTHER');

/** Whether an error with this code is the gateway's own fault, and not the caller's. */
export const isFailure = (code: unknown): boolean => meanings.get(code) === 'failed';

/** Counts answers that were refused, whatever they came by, since the start. */
export class Refusals {
  readonly counts: Record<RefusalReason, number> = {
    unauthenticated: 0,
    forbidden: 0,
    too_many_requests: 0,
    untrusted_document: 0,
    too_large: 0,
    bad_request: 0,
    overloaded: 0,
  };

  /** Counts an answer by the codes of its errors: once for each reason that is among them. */
  count(codes: readonly unknown[]): void {
    for (const reason of new Set(codes.map((code) => meanings.get(code)))) {
      if (reason != null && reason !== 'failed') this.counts[reason] += 1;
    }
  }
}
