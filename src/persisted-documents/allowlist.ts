import { LRUCache } from 'lru-cache';
import { Role, type Viewer } from '../auth/viewer.js';
import { entryLimit } from '../cache/entry-limit.js';
import { BadRequest } from '../errors/app-error.js';
import type { AutomaticDocuments } from './automatic-persisted-queries.js';
import { hashOf, readDocumentRequest, withText, type DocumentRequest } from './document-request.js';
import {
  AutomaticNotSupported,
  DocumentNotTrusted,
  UnknownDocument,
  type DocumentCaller,
  type DocumentResolver,
  type SentOperation,
} from './sent-operation.js';
import type { TrustedDocuments } from './trusted-documents.js';
import { operationNameIn, type CountedDocument, type UsageCounter } from './usage.js';

export interface AllowlistOptions {
  /** What happens to documents that are not trusted: `off` executes them, `report` executes and logs them, `enforce` rejects them. */
  mode: 'off' | 'report' | 'enforce';
  /** Whether an administrator who signed in may send any document. */
  isAdminExempt: boolean;
  trusted: TrustedDocuments;
  /** Null if automatic persisted queries are disabled. */
  automatic: AutomaticDocuments | null;
  usage: UsageCounter;
}

const reportIntervalMs = 600_000;
const maxReported = 10_000;
/** Bounds the log: a caller can send any number of different documents. */
const reportsPerMinute = 60;

/** Accepts trusted documents and, unless `mode` is `enforce`, any other. Counts each accepted document. */
export class Allowlist implements DocumentResolver {
  readonly #options: AllowlistOptions;
  /** Documents that were logged recently, by hash and client. */
  readonly #reported = new LRUCache<string, true>({ ...entryLimit(maxReported), ttl: reportIntervalMs });
  #minute = { startedAt: -Infinity, reports: 0 };

  constructor(options: AllowlistOptions) {
    this.#options = options;
  }

  async resolve(sent: SentOperation, caller: DocumentCaller): Promise<SentOperation> {
    const request = readDocumentRequest(sent);
    if (!request) return sent;
    const { mode, usage, automatic } = this.#options;
    const document =
      request.text === null ? await this.#find(request, caller) : this.#verify(request.text, request.id?.hash);
    const isRejectable = mode !== 'off' && !document.isTrusted && !this.#isExempt(caller.viewer);
    if (isRejectable && mode === 'enforce') throw new DocumentNotTrusted(document.hash);
    if (isRejectable) this.#report(document, caller);
    // An operation that is rejected costs nothing to send: its text must not fill the cache.
    if (automatic && request.text !== null && request.id && !document.isTrusted && mode !== 'enforce')
      caller.onExecuted(() => void automatic.store(document.hash, document.text, caller));
    usage.count(document, caller.client, isRejectable);
    return request.text !== null && !request.id ? sent : withText(sent, document.text);
  }

  /** @throws UnknownDocument, AutomaticNotSupported; BadRequest if the ID stands for several documents */
  async #find(
    { id, isAutomatic }: Extract<DocumentRequest, { text: null }>,
    { client }: DocumentCaller,
  ): Promise<CountedDocument> {
    const { mode, trusted, automatic } = this.#options;
    const found = trusted.byId(id, client);
    if (found.kind === 'found') return { ...found.document, isTrusted: true };
    if (found.kind === 'ambiguous') {
      throw new BadRequest(
        'Several clients published different documents under this ID; send the headers apollographql-client-name and apollographql-client-version.',
      );
    }
    if (mode === 'enforce') throw new UnknownDocument();
    if (isAutomatic && !automatic) throw new AutomaticNotSupported();
    const text = id.kind === 'sha256' ? await automatic?.find(id.hash) : null;
    if (id.kind !== 'sha256' || text == null) throw new UnknownDocument();
    return { hash: id.hash, text, isTrusted: false };
  }

  /** @throws BadRequest if the claimed hash is not that of the text */
  #verify(text: string, claimed: string | undefined): CountedDocument {
    const hash = hashOf(text);
    if (claimed !== undefined && claimed !== hash)
      throw new BadRequest(`The hash is not the SHA-256 of the text; send ${hash}.`);
    return { hash, text, isTrusted: this.#options.trusted.byHash(hash) !== null };
  }

  /** The exemption is for the IDE. An API key belongs to a program, whose documents can be published. */
  #isExempt(viewer: Viewer): boolean {
    return this.#options.isAdminExempt && viewer.kind === 'session' && viewer.role === Role.ADMIN;
  }

  #report({ hash, text }: CountedDocument, { client, log }: DocumentCaller): void {
    const key = `${hash} ${client.name ?? ''}`;
    if (this.#reported.has(key)) return;
    const now = performance.now();
    if (now - this.#minute.startedAt > 60_000) this.#minute = { startedAt: now, reports: 0 };
    this.#minute.reports += 1;
    if (this.#minute.reports > reportsPerMinute) {
      if (this.#minute.reports === reportsPerMinute + 1)
        log.warn({ reportsPerMinute }, 'untrusted document reports suppressed for a minute; see documentUsage');
      return;
    }
    this.#reported.set(key, true);
    log.warn(
      { client: client.name, clientVersion: client.version, hash, operation: operationNameIn(text) },
      'untrusted document executed; enforce would reject it',
    );
  }
}
