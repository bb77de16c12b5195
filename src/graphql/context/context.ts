import type { MikroORM, SqlEntityManager } from '@mikro-orm/postgresql';
import type DataLoader from 'dataloader';
import type { IncomingHttpHeaders } from 'node:http';
import { AuditAction, AuditOutcome } from '../../audit/audit-event.js';
import type { AuditLog } from '../../audit/audit-log.js';
import {
  resolveViewer,
  type AuthenticatedViewer,
  type Role,
  type Viewer,
  type ViewerSources,
} from '../../auth/viewer.js';
import type { ReadRouter } from '../../database/read-router.js';
import { ownValue } from '../../errors/own-value.js';
import type { Database } from '../../database/tables.js';
import type { Client } from '../../persisted-documents/sent-operation.js';
import type { Logger } from '../../telemetry/logger.js';
import { OperationCost } from '../../telemetry/operation-cost.js';
import type { ReadYourWrites } from './read-your-writes.js';
import type { QueryCache } from '../caching/query-cache.js';
import type { IndexGuard } from '../filtering/index-guard.js';
import { createLoader, type Batch, type LoaderKind } from './loader-kind.js';

/** How an operation and its results are sent: as HTTP, or in a stream. */
export type Transport = 'http' | 'websocket' | 'sse' | 'multipart';

/** `isExecuted` is false if the operation was rejected before its execution. */
type ResponseTask = (outcome: { isExecuted: boolean }) => void;

/** What resolvers and services use of one request. */
export interface Context {
  readonly viewer: Viewer;
  /** For reads. One server for the whole operation, which may be a replica. */
  readonly db: Database;
  /**
   * For writes. Each access creates a new unit of work, so that a failed one leaves nothing to the next mutation of the operation,
   * and clears the loaders.
   */
  readonly em: SqlEntityManager;
  readonly log: Logger;
  readonly requestId: string;
  /** The caller's address, for throttling and log lines. */
  readonly address: string;
  /** The client program, as it names itself. */
  readonly client: Client;
  /** Reads a header of the request by its name; undefined over a WebSocket, whose operations have none. */
  header(name: string): string | undefined;
  readonly transport: Transport;
  /** Aborted when the client disconnects, or cancels the operation, before the response. */
  readonly signal: AbortSignal;
  /** The cost of the operation so far. */
  readonly cost: OperationCost;
  /** Reads the viewer's current role, which may differ from the credential's; null if anonymous or deactivated. */
  currentRole(): Promise<Role | null>;
  /** Runs a task at the end of the operation, after what it changed was invalidated in the caches. */
  onResponse(task: ResponseTask): void;
  /** Runs the tasks of `onResponse`, once; logs those that throw. */
  runResponseTasks(outcome: { isExecuted: boolean }): void;
  /** Records in the audit log that a root field, such as `Mutation.setUserRole`, was rejected with FORBIDDEN. */
  reportRejection(field: string): void;
  /** Reads the rest of the operation from the primary. */
  readFromPrimary(): void;
  /** Reads a user's later operations from the primary for a while, after a change by the user or an event for the user. */
  pinToPrimary(userId: string): Promise<void>;
  /** Reads the rest of the operation from the database instead of the query result cache. */
  bypassQueryCache(): void;
  /** Returns this request's loader of the kind; creates it at first use. */
  load<Key, Value>(kind: LoaderKind<Key, Value>): DataLoader<Key, Value, unknown>;
  /** Rejects lists of large tables that no index serves. */
  readonly indexes: Pick<IndexGuard, 'check'>;
}

export interface ContextServices {
  orm: MikroORM;
  reads: ReadRouter;
  /** Null if the query result cache is disabled. */
  queries: QueryCache | null;
  readYourWrites: ReadYourWrites;
  audit: Pick<AuditLog, 'recordFailure'>;
  indexes: Pick<IndexGuard, 'check'>;
  log: Logger;
  /** Look up credentials. */
  credentials: ViewerSources;
  /** Why the session of a valid access token has ended; null if it has not. */
  sessionEndReason: (viewer: AuthenticatedViewer) => string | null | Promise<string | null>;
  /** Reads a user's current role; null if the account is deactivated or unknown. */
  roleOf: (userId: string) => Promise<Role | null>;
}

/** The request of a context. */
export interface RequestInfo {
  requestId: string;
  address: string;
  client: Client;
  /** None over a WebSocket. */
  headers?: IncomingHttpHeaders;
  transport: Transport;
  signal: AbortSignal;
}

/** Creates contexts for requests and for events of subscriptions. */
export class ContextFactory {
  constructor(private readonly services: ContextServices) {}

  /** Resolves the viewer from the headers of a request. */
  async viewerOf(headers: IncomingHttpHeaders): Promise<Viewer> {
    const apiKey = headers['x-api-key'];
    const viewer = await resolveViewer(
      { authorization: headers.authorization, apiKey: Array.isArray(apiKey) ? apiKey[0] : apiKey },
      this.services.credentials,
    );
    // An API key was read from the database; an access token may outlive its session.
    if (viewer.kind !== 'session') return viewer;
    const reason = await this.services.sessionEndReason(viewer);
    return reason === null ? viewer : { kind: 'anonymous', reason };
  }

  forRequest(viewer: Viewer, request: RequestInfo): Context {
    return new RequestContext(this.services, viewer, request);
  }

  /** For an event: it, and what its viewer reads next, must show the change that caused it. */
  forEvent(viewer: Viewer, request: RequestInfo): Context {
    const context = this.forRequest(viewer, request);
    context.readFromPrimary();
    if (viewer.kind !== 'anonymous') void context.pinToPrimary(viewer.userId);
    return context;
  }
}

/** Apollo Server copies own properties of the context onto a new object of its class for each operation: hence no `#private` members. */
class RequestContext implements Context {
  /** Created at first use: most operations log nothing but their line. */
  private ownLog: Logger | null = null;
  readonly requestId: string;
  readonly address: string;
  readonly client: Client;
  readonly transport: Transport;
  readonly signal: AbortSignal;
  readonly cost = new OperationCost();
  private readonly loaders = new Map<unknown, unknown>();
  /** Created at first use, so that each operation of a batch, which has a copy of the context, has its own. */
  private tasks: ResponseTask[] | null = null;
  /** The chosen server; null before the first read. An object, to be shared by the operations of a batch. */
  private readonly reading: { db: Database | null } = { db: null };
  private readonly headers: IncomingHttpHeaders;
  private queries: QueryCache | null;

  constructor(
    private readonly services: ContextServices,
    readonly viewer: Viewer,
    { requestId, address, client, headers = {}, transport, signal }: RequestInfo,
  ) {
    this.queries = services.queries;
    this.requestId = requestId;
    this.address = address;
    this.client = client;
    this.headers = headers;
    this.transport = transport;
    this.signal = signal;
  }

  get log(): Logger {
    return (this.ownLog ??= this.services.log.child({ requestId: this.requestId }));
  }

  get db(): Database {
    return (this.reading.db ??= this.services.reads.next());
  }

  get indexes(): Pick<IndexGuard, 'check'> {
    return this.services.indexes;
  }

  get em(): SqlEntityManager {
    this.loaders.clear();
    return this.services.orm.em.fork();
  }

  header(name: string): string | undefined {
    const value = ownValue(this.headers, name.toLowerCase());
    return Array.isArray(value) ? value.join() : value;
  }

  async currentRole(): Promise<Role | null> {
    return this.viewer.kind === 'anonymous' ? null : this.services.roleOf(this.viewer.userId);
  }

  onResponse(task: ResponseTask): void {
    (this.tasks ??= []).push(task);
  }

  runResponseTasks(outcome: { isExecuted: boolean }): void {
    const tasks = this.tasks ?? [];
    this.tasks = null;
    for (const task of tasks) {
      try {
        task(outcome);
      } catch (error) {
        this.log.error({ err: error }, 'response task failed');
      }
    }
  }

  reportRejection(field: string): void {
    this.services.audit.recordFailure(this, {
      action: AuditAction.ACCESS,
      outcome: AuditOutcome.REJECTED,
      code: 'FORBIDDEN',
      target: field,
    });
  }

  readFromPrimary(): void {
    this.reading.db = this.services.reads.primary;
  }

  pinToPrimary(userId: string): Promise<void> {
    return this.services.readYourWrites.pin(userId);
  }

  bypassQueryCache(): void {
    this.queries = null;
    this.loaders.clear();
  }

  load<Key, Value>(kind: LoaderKind<Key, Value>): DataLoader<Key, Value, unknown> {
    // The map is keyed by the kind, so the loader has the kind's types.
    let loader = this.loaders.get(kind) as DataLoader<Key, Value, unknown> | undefined;
    if (!loader) {
      loader = createLoader(kind, this.batchOf(kind));
      this.loaders.set(kind, loader);
    }
    return loader;
  }

  private batchOf<Key, Value>({ batch, cachedBy }: LoaderKind<Key, Value>): Batch<Key, Value> {
    if (!cachedBy || !this.queries) return batch(this.db);
    // A replica may lag behind the versions that cached rows are stored under.
    return cachedBy(this.queries, batch(this.services.reads.primary));
  }
}
