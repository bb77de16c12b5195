import type { MikroORM, SqlEntityManager } from '@mikro-orm/postgresql';
import DataLoader from 'dataloader';
import type { IncomingHttpHeaders } from 'node:http';
import { readViewer, type Role, type Viewer, type ViewerSources } from '../auth/viewer.js';
import type { Database } from '../database/tables.js';
import type { Logger } from '../shared/logger.js';
import { Work } from '../shared/work.js';
import type { QueryCache } from './query-cache.js';

/**
 * A batch function by its kind: given the database, it answers many keys with one statement, in the keys' order.
 * `keyOf` makes a comparable key of an object. Declared once per module; each request gets a loader of its own.
 */
export interface LoaderKind<Key, Value> {
  batch: (db: Database) => Batch<Key, Value>;
  keyOf?: (key: Key) => string;
  /** Of rows that are kept for everyone: how to read by what is kept. See `keptQuery`. */
  keptBy?: (queries: QueryCache, read: Batch<Key, Value>) => Batch<Key, Value>;
}

/** Answers many keys, in their order. */
export type Batch<Key, Value> = (keys: readonly Key[]) => Promise<ArrayLike<Value | Error>>;

/** What one request has in hand. Lives as long as the request. */
export interface Context {
  readonly viewer: Viewer;
  /** Reads: rows by SQL. */
  readonly db: Database;
  /**
   * Writes: a new unit of work each time it is taken, so that one that failed leaves nothing to the next mutation of
   * the operation. What loaders have read so far is forgotten.
   */
  readonly em: SqlEntityManager;
  readonly log: Logger;
  readonly requestId: string;
  /** The caller's address, for throttling. */
  readonly address: string;
  /** Aborted when the caller has gone without waiting for the answer. */
  readonly signal: AbortSignal;
  /** What has been done for the operation so far. */
  readonly work: Work;
  /** The viewer's role as of now, whatever the credential says; null for a stranger, and where the account is switched off. */
  roleNow(): Promise<Role | null>;
  /** Does something once no answer that was kept tells any more what the operation has changed: whoever is told of the change may ask at once. */
  afterwards(task: () => void): void;
  /** Does what was left for afterwards, once. */
  runTasks(): void;
  /** From now on nothing is taken from rows that were kept: what is read is as it stands in the database. */
  readAnew(): void;
  /** This request's loader of the given kind; made at its first use. */
  load<Key, Value>(kind: LoaderKind<Key, Value>): DataLoader<Key, Value, unknown>;
}

/** A field's keys per batch, so that one statement stays bounded. */
const maxBatchSize = 1000;

/** What contexts are made of. */
export interface ContextParts {
  orm: MikroORM;
  db: Database;
  /** Rows that are kept for everyone; null where none are. */
  queries: QueryCache | null;
  log: Logger;
  /** How credentials are looked up. */
  credentials: ViewerSources;
  /** The role that a user has as of now; null where the account is switched off or unknown. */
  roleOf: (userId: string) => Promise<Role | null>;
}

/** What a context must know of the request that it is for. */
export interface RequestFacts {
  requestId: string;
  address: string;
  signal: AbortSignal;
}

/** Makes contexts, in one way for requests and for streams. */
export class Contexts {
  constructor(private readonly parts: ContextParts) {}

  /** Who is calling, by the headers of the request. */
  viewerOf(headers: IncomingHttpHeaders): Promise<Viewer> {
    const apiKey = headers['x-api-key'];
    return readViewer({ authorization: headers.authorization, apiKey: Array.isArray(apiKey) ? apiKey[0] : apiKey }, this.parts.credentials);
  }

  of(viewer: Viewer, facts: RequestFacts): Context {
    return new RequestContext(this.parts, viewer, facts);
  }
}

/** Apollo Server copies the context, own properties onto a new object of the same class: hence no `#private` members. */
class RequestContext implements Context {
  readonly db: Database;
  readonly log: Logger;
  readonly requestId: string;
  readonly address: string;
  readonly signal: AbortSignal;
  readonly work = new Work();
  private readonly loaders = new Map<unknown, unknown>();
  private readonly tasks: (() => void)[] = [];
  private queries: QueryCache | null;

  constructor(
    private readonly parts: ContextParts,
    readonly viewer: Viewer,
    { requestId, address, signal }: RequestFacts,
  ) {
    this.db = parts.db;
    this.queries = parts.queries;
    this.log = parts.log.child({ requestId });
    this.requestId = requestId;
    this.address = address;
    this.signal = signal;
  }

  get em(): SqlEntityManager {
    this.loaders.clear();
    return this.parts.orm.em.fork();
  }

  async roleNow(): Promise<Role | null> {
    return this.viewer.kind === 'stranger' ? null : this.parts.roleOf(this.viewer.userId);
  }

  afterwards(task: () => void): void {
    this.tasks.push(task);
  }

  runTasks(): void {
    for (const task of this.tasks.splice(0)) task();
  }

  readAnew(): void {
    this.queries = null;
    this.loaders.clear();
  }

  load<Key, Value>(kind: LoaderKind<Key, Value>): DataLoader<Key, Value, unknown> {
    // The map is keyed by the kind itself, so what comes out is the loader that went in for it.
    let loader = this.loaders.get(kind) as DataLoader<Key, Value, unknown> | undefined;
    if (!loader) {
      const { keyOf } = kind;
      loader = new DataLoader<Key, Value, unknown>(this.batchOf(kind), { maxBatchSize, ...(keyOf ? { cacheKeyFn: keyOf } : {}) });
      this.loaders.set(kind, loader);
    }
    return loader;
  }

  private batchOf<Key, Value>({ batch, keptBy }: LoaderKind<Key, Value>): Batch<Key, Value> {
    if (!keptBy || !this.queries) return batch(this.db);
    // What is kept must be as new as its versions: a server that only follows may be behind them.
    return keptBy(this.queries, batch(this.parts.db));
  }
}
