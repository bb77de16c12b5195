import { LRUCache } from 'lru-cache';
import { Role, type Viewer } from '../auth/viewer.js';
import type { AutomaticDocuments } from './automatic.js';
import type { DocumentCaller, DocumentGate, SentOperation } from './document-gate.js';
import { hashOf } from './document-id.js';
import { readDocumentRequest, withText, type DocumentRequest } from './document-request.js';
import { AutomaticNotSupported, DocumentNotTrusted, MalformedDocumentRequest, UnknownDocument } from './refusals.js';
import type { TrustedDocuments } from './trusted-documents.js';
import { operationNameIn, type CountedDocument, type UsageCounter } from './usage.js';

export interface GateOptions {
  /** Of documents that are not trusted: `off` executes them, `report` does and tells of them, `enforce` refuses them. */
  mode: 'off' | 'report' | 'enforce';
  /** Whether an administrator who signed in may send any document. */
  isAdminExempt: boolean;
  trusted: TrustedDocuments;
  /** Null where clients may not have texts remembered. */
  automatic: AutomaticDocuments | null;
  usage: UsageCounter;
}

const reportAgainMs = 600_000;
const maxReported = 10_000;
/** A caller can make up as many documents as it likes; the log is not to hold them all. */
const reportsPerMinute = 60;

/** Which documents are executed: those that are trusted, and, where `mode` lets them, any other. Counts each that is let pass. */
export class TrustedGate implements DocumentGate {
  readonly #options: GateOptions;
  /** Those that were reported a while ago, by client and hash. */
  readonly #reported = new LRUCache<string, true>({ max: maxReported, ttl: reportAgainMs });
  #minute = { startedAt: 0, reports: 0 };

  constructor(options: GateOptions) {
    this.#options = options;
  }

  async admit(sent: SentOperation, caller: DocumentCaller): Promise<SentOperation> {
    const request = readDocumentRequest(sent);
    if (!request) return sent;
    const { mode, usage, automatic } = this.#options;
    const document = request.text === null ? await this.#known(request, caller) : this.#checked(request.text, request.id?.hash);
    const isRefusable = mode !== 'off' && !document.isTrusted && !this.#isExempt(caller.viewer);
    if (isRefusable && mode === 'enforce') throw new DocumentNotTrusted(document.hash);
    if (isRefusable) this.#report(document, caller);
    if (request.text !== null && request.id && !document.isTrusted && mode !== 'enforce') automatic?.remember(document.hash, request.text);
    usage.count(document, caller.client, isRefusable);
    return request.text !== null && !request.id ? sent : withText(sent, document.text);
  }

  /** @throws UnknownDocument, AutomaticNotSupported; MalformedDocumentRequest where the id stands for several documents */
  async #known({ id, isAutomatic }: Extract<DocumentRequest, { text: null }>, { client }: DocumentCaller): Promise<CountedDocument> {
    const { mode, trusted, automatic } = this.#options;
    const found = trusted.byId(id, client);
    if (found.kind === 'found') return { ...found.document, isTrusted: true };
    if (found.kind === 'ambiguous') {
      throw new MalformedDocumentRequest(
        'Several clients were released with different documents under this id; say which you are by the headers apollographql-client-name and apollographql-client-version.',
      );
    }
    if (mode === 'enforce') throw new UnknownDocument();
    if (isAutomatic && !automatic) throw new AutomaticNotSupported();
    const text = id.kind === 'sha256' ? await automatic?.find(id.hash) : null;
    if (id.kind !== 'sha256' || text == null) throw new UnknownDocument();
    return { hash: id.hash, text, isTrusted: false };
  }

  /** @throws MalformedDocumentRequest where the text is not that of the hash */
  #checked(text: string, claimed: string | undefined): CountedDocument {
    const hash = hashOf(text);
    if (claimed !== undefined && claimed !== hash) throw new MalformedDocumentRequest(`The hash is not the SHA-256 of the text, which is ${hash}.`);
    return { hash, text, isTrusted: this.#options.trusted.byHash(hash) !== null };
  }

  /** The IDE's exemption: a program, which an API key is, has documents that can be published. */
  #isExempt(viewer: Viewer): boolean {
    return this.#options.isAdminExempt && viewer.kind === 'session' && viewer.role === Role.ADMIN;
  }

  #report({ hash, text }: CountedDocument, { client, log }: DocumentCaller): void {
    const key = `${hash} ${client.name ?? ''}`;
    if (this.#reported.has(key)) return;
    const now = Date.now();
    if (now - this.#minute.startedAt > 60_000) this.#minute = { startedAt: now, reports: 0 };
    this.#minute.reports += 1;
    if (this.#minute.reports > reportsPerMinute) {
      if (this.#minute.reports === reportsPerMinute + 1) log.warn('more documents that are not trusted come than are told one by one; see documentUsage');
      return;
    }
    this.#reported.set(key, true);
    log.warn({ client: client.name, clientVersion: client.version, hash, operation: operationNameIn(text) }, 'a document that is not trusted was executed; enforce would refuse it');
  }
}
