import { AppError } from '../shared/errors.js';

/** The request does not say in one way which document it is about. */
export class MalformedDocumentRequest extends AppError {
  constructor(message: string) {
    super('BAD_REQUEST', 400, message);
  }
}

/**
 * No document is known by this id. Message, code and status are Apollo's: its clients send the text after it, and a status
 * that is not 200 would keep older ones from it.
 */
export class UnknownDocument extends AppError {
  constructor() {
    super('PERSISTED_QUERY_NOT_FOUND', 200, 'PersistedQueryNotFound');
  }
}

/** Automatic persisted queries are switched off. Message, code and status are Apollo's: its clients send no more hashes after it. */
export class AutomaticNotSupported extends AppError {
  constructor() {
    super('PERSISTED_QUERY_NOT_SUPPORTED', 200, 'PersistedQueryNotSupported');
  }
}

/** Only trusted documents are executed, and this text is none. */
export class DocumentNotTrusted extends AppError {
  constructor(hash: string) {
    super('DOCUMENT_NOT_TRUSTED', 403, 'Only documents that were published are executed here, and this one was not; publish it with publishDocuments, or send one that is.', {
      hash,
    });
  }
}
