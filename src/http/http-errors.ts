import { AppError } from '../errors/app-error.js';

export class MethodNotAllowed extends AppError {
  constructor(method: string, allowed: string) {
    // The methods of the single connection mode.
    const isOfStreams = method === 'PUT' || method === 'DELETE';
    super(
      'METHOD_NOT_ALLOWED',
      `${method} is not for /graphql; send queries by GET or POST, and mutations by POST. Allowed: ${allowed}.${isOfStreams ? ` ${distinctConnections}` : ''}`,
    );
  }
}

/** For clients of the single connection mode of GraphQL over SSE. */
export const distinctConnections =
  'GraphQL over SSE is supported in the distinct connections mode, not in the single connection mode: send each operation in a separate request with "accept: text/event-stream".';

/** It came over plain HTTP, and is nothing that could be sent elsewhere without harm. */
export class HttpsNeeded extends AppError {
  constructor() {
    super('HTTPS_REQUIRED', 'This came over plain HTTP; send it over HTTPS, and change what was secret in it.');
  }
}

export class UriTooLong extends AppError {
  constructor(maxLength: number) {
    super('URI_TOO_LONG', `The address is longer than ${maxLength} characters; send the operation by POST.`);
  }
}

/** The client accepts no media type of a response. */
export class NotAcceptable extends AppError {
  constructor() {
    super(
      'NOT_ACCEPTABLE',
      'Accept application/graphql-response+json, application/json or text/event-stream; the operation was not executed.',
    );
  }
}

/** The body is of a type, or in a charset, that is not read. */
export class UnsupportedMediaType extends AppError {
  constructor(message: string) {
    super('UNSUPPORTED_MEDIA_TYPE', message);
  }
}

export class HeadersTooLarge extends AppError {
  constructor() {
    super(
      'HEADERS_TOO_LARGE',
      'The headers of the request are too large; send fewer or shorter ones, and the operation by POST.',
    );
  }
}

export class RequestTimeout extends AppError {
  constructor() {
    super('REQUEST_TIMEOUT', 'The request was not received completely in time; send it again.');
  }
}
