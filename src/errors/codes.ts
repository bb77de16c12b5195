/** Why a request was rejected: the label `reason` of the rejection metric. */
export type RejectionReason =
  | 'unauthenticated'
  | 'forbidden'
  | 'too_many_requests'
  | 'untrusted_document'
  | 'too_large'
  | 'bad_request'
  | 'overloaded';

export interface ErrorCodeEntry {
  /** Status of an HTTP response that holds this error and no data. */
  httpStatus: number;
  /** Who has to act: a caller changes the request or waits; a server error is for the operator. */
  cause: 'caller' | 'server';
  /** The reason under which the response counts as rejected; null if it does not count. */
  rejection: RejectionReason | null;
  /**
   * Whether the request is well-formed but its operation cannot be executed. Clients that do not accept
   * `application/graphql-response+json` get such an error with status 200, as GraphQL over HTTP requires.
   */
  isRequestError?: true;
  /** Other statuses that come with this code. */
  statusNote?: string;
  meaning: string;
  /** What a client does about it. */
  action: string;
}

const requestErrorNote = '200 without `Accept: application/graphql-response+json`';

/** Every code in `extensions.code`. Statuses, metrics, the masking of errors and `docs/errors.md` derive from this table. */
export const errorCodes = {
  UNAUTHENTICATED: {
    httpStatus: 401,
    cause: 'caller',
    rejection: 'unauthenticated',
    meaning: 'The operation requires a credential, or the credential is invalid, expired or revoked.',
    action: 'Refresh the session or sign in, then repeat the request.',
  },
  FORBIDDEN: {
    httpStatus: 200,
    cause: 'caller',
    rejection: 'forbidden',
    meaning: 'The caller is authenticated but lacks the role, the scope or the access to this data.',
    action: 'Remove the field, or request access from an administrator. Do not retry.',
  },
  REAUTHENTICATION_REQUIRED: {
    httpStatus: 200,
    cause: 'caller',
    rejection: 'forbidden',
    meaning:
      'The mutation creates or removes a credential, and the session proved the password or an MFA code more than five minutes ago.',
    action:
      'Request the password, or the code if the account uses MFA, from the user, send it with `reauthenticate`, then repeat the request.',
  },
  MFA_REQUIRED: {
    httpStatus: 200,
    cause: 'caller',
    rejection: null,
    meaning:
      'The password is right, and the account uses MFA. `challenge` stands for the password until `challengeExpiresAt`.',
    action: 'Request a code from the user, and send it with `challenge` to `verifyMfa`, which returns the session.',
  },
  MFA_SETUP_REQUIRED: {
    httpStatus: 200,
    cause: 'caller',
    rejection: null,
    meaning:
      'The password is right, but the role requires MFA (`MFA_REQUIRED_ROLES`), and the account has not set it up. `challenge` stands for the password until `challengeExpiresAt`.',
    action:
      'Send `challenge` to `beginMfaSetup`, then with a code to `confirmMfaSetup`, which returns the session and the recovery codes.',
  },
  TOO_MANY_REQUESTS: {
    httpStatus: 429,
    cause: 'caller',
    rejection: 'too_many_requests',
    meaning: 'A rate limit, a limit of attempts or a limit of subscriptions per caller was reached.',
    action: 'Wait `retryAfterSeconds` (also in `Retry-After`), then retry.',
  },
  DOCUMENT_NOT_TRUSTED: {
    httpStatus: 403,
    cause: 'caller',
    rejection: 'untrusted_document',
    meaning:
      'The gateway executes only trusted documents (`TRUSTED_DOCUMENTS=enforce`), and this one was not published.',
    action: 'Publish the document with `publishDocuments`, or send a published one; `hash` identifies it.',
  },
  QUERY_TOO_LARGE: {
    httpStatus: 400,
    cause: 'caller',
    rejection: 'too_large',
    meaning:
      'The operation exceeds a limit of depth, aliases, tokens, root fields, fields, directives or cost, or its rows exceed `DATABASE_MAX_RESULT_BYTES`.',
    action: 'Request fewer rows or fields, or split the operation; `limit` and `maximum` name the limit.',
  },
  PAYLOAD_TOO_LARGE: {
    httpStatus: 413,
    cause: 'caller',
    rejection: 'too_large',
    meaning: 'The request body exceeds `MAX_BODY_BYTES`.',
    action: 'Send less per request.',
  },
  URI_TOO_LONG: {
    httpStatus: 414,
    cause: 'caller',
    rejection: 'too_large',
    meaning: 'The URL is longer than the gateway accepts.',
    action: 'Send the operation by POST.',
  },
  HEADERS_TOO_LARGE: {
    httpStatus: 431,
    cause: 'caller',
    rejection: 'too_large',
    meaning: 'The request headers are larger than the gateway accepts.',
    action: 'Send fewer or shorter headers.',
  },
  BAD_REQUEST: {
    httpStatus: 400,
    cause: 'caller',
    rejection: 'bad_request',
    meaning: 'The request is not valid HTTP, JSON or GraphQL over HTTP.',
    action: 'Correct the request; the message names the problem.',
  },
  REQUEST_TIMEOUT: {
    httpStatus: 408,
    cause: 'caller',
    rejection: 'bad_request',
    meaning: 'The request was not received completely in time.',
    action: 'Retry.',
  },
  REQUEST_CANCELLED: {
    httpStatus: 499,
    cause: 'caller',
    rejection: null,
    meaning:
      'The caller disconnected, or cancelled the operation, before the response. Appears in the log and in metrics only.',
    action: 'None.',
  },
  HOST_NOT_ALLOWED: {
    httpStatus: 421,
    cause: 'caller',
    rejection: 'bad_request',
    meaning: 'The request names a host under which the gateway is not served.',
    action: 'Use a host that is served; the operator adds others to `ALLOWED_HOSTS`.',
  },
  METHOD_NOT_ALLOWED: {
    httpStatus: 405,
    cause: 'caller',
    rejection: 'bad_request',
    meaning: 'The endpoint does not support this HTTP method.',
    action: 'Send queries by GET or POST and mutations by POST.',
  },
  NOT_ACCEPTABLE: {
    httpStatus: 406,
    cause: 'caller',
    rejection: 'bad_request',
    meaning:
      '`Accept` excludes every media type of a response, or a subscription was sent without accepting a stream. The operation was not executed.',
    action:
      'Accept `application/graphql-response+json` or `application/json`; for a subscription `text/event-stream`, or use a WebSocket.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    httpStatus: 415,
    cause: 'caller',
    rejection: 'bad_request',
    meaning: 'The content type, charset or encoding of the body is not supported.',
    action: 'Send `application/json` in UTF-8.',
  },
  HTTPS_REQUIRED: {
    httpStatus: 403,
    cause: 'caller',
    rejection: 'bad_request',
    meaning: 'The request was sent over plain HTTP while `HTTPS_REDIRECT` is on.',
    action: 'Use HTTPS, and replace any secret that was sent.',
  },
  GRAPHQL_PARSE_FAILED: {
    httpStatus: 400,
    cause: 'caller',
    rejection: 'bad_request',
    isRequestError: true,
    statusNote: requestErrorNote,
    meaning: 'The document has a syntax error.',
    action: 'Correct the document.',
  },
  GRAPHQL_VALIDATION_FAILED: {
    httpStatus: 400,
    cause: 'caller',
    rejection: 'bad_request',
    isRequestError: true,
    statusNote: requestErrorNote,
    meaning: 'The document does not match the schema.',
    action: 'Correct the document, or regenerate it from the current schema.',
  },
  OPERATION_RESOLUTION_FAILURE: {
    httpStatus: 400,
    cause: 'caller',
    rejection: 'bad_request',
    isRequestError: true,
    statusNote: requestErrorNote,
    meaning: 'The document has several operations and `operationName` selects none of them.',
    action: 'Send the `operationName` of an operation in the document.',
  },
  OVERLOADED: {
    httpStatus: 503,
    cause: 'caller',
    rejection: 'overloaded',
    meaning: 'More concurrent work was requested than the gateway accepts.',
    action: 'Wait `retryAfterSeconds` (also in `Retry-After`), then retry with less concurrency.',
  },
  INTERNAL_SERVER_ERROR: {
    httpStatus: 500,
    cause: 'server',
    rejection: null,
    statusNote: '200 beside data or if a resolver failed',
    meaning: 'An unexpected error. The gateway logs it under `errorId` and hides its details.',
    action: 'Report the `errorId` to the operator.',
  },
  SERVICE_UNAVAILABLE: {
    httpStatus: 503,
    cause: 'server',
    rejection: null,
    meaning: 'A dependency such as the database, or the gateway itself, is unavailable.',
    action: 'Wait `retryAfterSeconds`, then retry. If `outcome` is `UNKNOWN`, first check whether the change was made.',
  },
  TIMEOUT: {
    httpStatus: 504,
    cause: 'server',
    rejection: null,
    meaning: 'The database, a model or another service did not respond in time.',
    action: 'Request less, or retry later.',
  },
  PREDICTION_UNAVAILABLE: {
    httpStatus: 200,
    cause: 'server',
    rejection: null,
    meaning:
      'A field that a model computes has no value: the model failed, timed out or is overloaded, or it rejects values of the object. `reason` is the code of that error.',
    action: 'Use the object without the field. If `reason` is not BAD_USER_INPUT, retry later.',
  },
  BAD_USER_INPUT: {
    httpStatus: 200,
    cause: 'caller',
    rejection: null,
    isRequestError: true,
    statusNote: '400 for variables of the wrong type, with `Accept: application/graphql-response+json`',
    meaning: 'An argument, a variable or an input field is invalid.',
    action: 'Correct the input; `fields` lists every invalid field.',
  },
  NOT_FOUND: {
    httpStatus: 200,
    cause: 'caller',
    rejection: null,
    statusNote: '404 for an unknown URL',
    meaning: 'The object to change, or the URL, does not exist.',
    action: 'Check the id or the URL.',
  },
  CONFLICT: {
    httpStatus: 200,
    cause: 'caller',
    rejection: null,
    meaning: 'The current state of the data does not allow the change, or a concurrent update interfered.',
    action: 'Read the data again, then decide whether to repeat the change.',
  },
  SLOW_CONSUMER: {
    httpStatus: 503,
    cause: 'caller',
    rejection: null,
    meaning: 'A subscriber read so slowly that its event backlog overflowed; the stream ended and events were lost.',
    action: 'Refetch, then subscribe again.',
  },
  PERSISTED_QUERY_NOT_FOUND: {
    httpStatus: 200,
    cause: 'caller',
    rejection: null,
    meaning: 'No document with this id is known. A regular step of automatic persisted queries.',
    action: 'Send the text with the hash; Apollo clients do so by themselves.',
  },
  PERSISTED_QUERY_NOT_SUPPORTED: {
    httpStatus: 200,
    cause: 'caller',
    rejection: null,
    meaning: 'Automatic persisted queries are disabled.',
    action: 'Send the text without a hash; Apollo clients do so by themselves.',
  },
} as const satisfies Record<string, ErrorCodeEntry>;

/** A value of `extensions.code`. */
export type ErrorCode = keyof typeof errorCodes;

const entries: ReadonlyMap<unknown, ErrorCodeEntry> = new Map(Object.entries(errorCodes));

export const isErrorCode = (code: unknown): code is ErrorCode => entries.has(code);

/** The code if it is in the table, otherwise `OTHER`: bounds the values of metric labels. */
export const knownCode = (code: unknown): ErrorCode | 'OTHER' => (isErrorCode(code) ? code : 'OTHER');

/** Whether the gateway or a dependency failed, as opposed to an error of the caller. */
export const isServerError = (code: unknown): boolean => entries.get(code)?.cause === 'server';

export const isCallerError = (code: unknown): boolean => entries.get(code)?.cause === 'caller';

/** Whether the request is well-formed but its operation cannot be executed; see `ErrorCodeEntry`. */
export const isRequestError = (code: unknown): boolean => entries.get(code)?.isRequestError === true;

export const rejectionReason = (code: unknown): RejectionReason | null => entries.get(code)?.rejection ?? null;

export const rejectionReasons: readonly RejectionReason[] = [
  ...new Set([...entries.values()].flatMap(({ rejection }) => rejection ?? [])),
];
