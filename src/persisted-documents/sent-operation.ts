import type { Viewer } from '../auth/viewer.js';
import { AppError } from '../errors/app-error.js';
import type { Logger } from '../telemetry/logger.js';

/** An operation as a client sent it, over any transport: the text of a document, or the ID of one that the gateway knows. */
export type SentOperation = Readonly<Record<string, unknown>>;

/** The client program, by `apollographql-client-name` and `apollographql-client-version`; null if it did not send them. */
export interface Client {
  name: string | null;
  version: string | null;
}

/** Name and version of a client as one text; null if it did not send its name. */
export const clientLabel = ({ name, version }: Client): string | null =>
  name === null ? null : [name, version].filter(Boolean).join(' ');

/** The caller that sends an operation. */
export interface DocumentCaller {
  viewer: Viewer;
  client: Client;
  address: string;
  log: Logger;
  /** Runs a task once the operation was validated and executed; never if it was rejected. */
  onExecuted(task: () => void): void;
}

/** Replaces document IDs with their texts and rejects documents that may not be executed. */
export interface DocumentResolver {
  /**
   * Resolves a sent operation. @returns the operation with its text as `query` and without any form of ID. An operation with a
   * text alone, or with neither text nor ID, is returned unchanged: the same object.
   * @throws AppError if the document is unknown or may not be executed
   */
  resolve(sent: SentOperation, caller: DocumentCaller): Promise<SentOperation>;
}

/**
 * No document has this ID. Message, code and status are those of Apollo Server: its clients then send the text, and older ones
 * do so only after status 200.
 */
export class UnknownDocument extends AppError {
  constructor() {
    super('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
  }
}

/** Automatic persisted queries are disabled. Message, code and status are those of Apollo Server: its clients then stop sending hashes. */
export class AutomaticNotSupported extends AppError {
  constructor() {
    super('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported');
  }
}

/** Only trusted documents are executed, and this one is not trusted. */
export class DocumentNotTrusted extends AppError {
  constructor(hash: string) {
    super(
      'DOCUMENT_NOT_TRUSTED',
      'Only published documents are executed; publish this one with publishDocuments, or send a published one.',
      { hash },
    );
  }
}
