import type { Viewer } from '../auth/viewer.js';
import type { Logger } from '../shared/logger.js';

/** An operation as a client sent it, over whatever transport: by its text, or by the id of a document that the gateway knows. */
export type SentOperation = Readonly<Record<string, unknown>>;

/** The program that a client says it is, by `apollographql-client-name` and `apollographql-client-version`; null where it does not say. */
export interface Client {
  name: string | null;
  version: string | null;
}

/** Who sends an operation. */
export interface DocumentCaller {
  viewer: Viewer;
  client: Client;
  log: Logger;
}

/** Turns ids of documents into their texts, and lets pass only the documents that may be executed. */
export interface DocumentGate {
  /**
   * The operation with its text as `query`, and without the forms of an id. One that brings its text alone, or neither text nor id,
   * comes back as it is: the same object.
   * @throws AppError where the document is not known or not to be executed
   */
  admit(sent: SentOperation, caller: DocumentCaller): Promise<SentOperation>;
}
