import { AppError } from '../shared/errors.js';

export class MethodNotAllowed extends AppError {
  constructor(method: string, allowed: string) {
    super('METHOD_NOT_ALLOWED', 405, `${method} is not for /graphql; send queries by GET or POST, and mutations by POST. Allowed: ${allowed}.`);
  }
}

/** It came over plain HTTP, and is nothing that could be sent elsewhere without harm. */
export class HttpsNeeded extends AppError {
  constructor() {
    super('HTTPS_REQUIRED', 403, 'This came over plain HTTP; send it over HTTPS, and change what was secret in it.');
  }
}

export class UriTooLong extends AppError {
  constructor(maxLength: number) {
    super('URI_TOO_LONG', 414, `The address is longer than ${maxLength} characters; send the operation by POST.`);
  }
}

/** The body is of a type, or in a charset, that is not read. */
export class UnsupportedMediaType extends AppError {
  constructor(message: string) {
    super('UNSUPPORTED_MEDIA_TYPE', 415, message);
  }
}

export class HeadersTooLarge extends AppError {
  constructor() {
    super('HEADERS_TOO_LARGE', 431, 'The headers of the request are too large; send fewer or shorter ones, and the operation by POST.');
  }
}
