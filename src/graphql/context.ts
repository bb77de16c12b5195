import type { MikroORM, SqlEntityManager } from '@mikro-orm/postgresql';
import DataLoader from 'dataloader';
import type { IncomingHttpHeaders } from 'node:http';
import { readViewer, type Role, type Viewer, type ViewerSources } from '../auth/viewer.js';
import type { Reads } from '../database/reads.js';
import type { Database } from '../database/tables.js';
import type { Logger } from '../shared/logger.js';
import { isTracing, traced } from '../shared/tracing.js';
import { Work } from '../shared/work.js';
import type { FreshReaders } from './fresh-readers.js';
import type { QueryCache } from './query-cache.js';

/**
 * A batch function by its kind: given the database, it answers many keys with one statement, in the keys' order.
 * `keyOf` makes a comparable key of an object. Declared once per module; each request gets a loader of its own.
 */
export interface LoaderKind<Key, Value> {
  batch: (db: Database) => Batch<Key, Value>;
  keyOf?: (key: Key) => string;
  /** What its batches are called in traces. */
  name?: string;
  /** Of rows that are kept for everyone: how to read by what is kept. See `keptQuery`. */
  keptBy?: (queries: QueryCache, read: Batch<Key, Value>) => Batch<Key, Value>;
}

/** Answers many keys, in their order. */
export type Batch<Key, Value> = (keys: readonly Key[]) => Promise<ArrayLike<Value | Error>>;

/** What one request has in hand. Lives as long as the request. */
export interface Context {
  readonly viewer: Viewer;
  /** Reads: rows by SQL. One server for the whole operation, which may be a replica. */
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
  /** From now on the operation reads what is true now, not what was a moment ago. */
  readFromPrimary(): void;
  /** Has a user read what is true now from here on and for a while: the user has changed something, or is told of a change. */
  readFreshly(userId: string): Promise<void>;
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
  reads: Reads;
  /** Rows that are kept for everyone; null where none are. */
  queries: QueryCache | null;
  freshReaders: FreshReaders;
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

  /** For what a viewer is told of a change: it shows the change, and so does what the viewer asks next. */
  ofEvent(viewer: Viewer, facts: RequestFacts): Context {
    const context = this.of(viewer, facts);
    context.readFromPrimary();
    if (viewer.kind !== 'stranger') void context.readFreshly(viewer.userId);
    return context;
  }
}

/** Apollo Server copies the context, own properties onto a new object of the same class: hence no `#private` members. */
class RequestContext implements Context {
  readonly log: Logger;
  readonly requestId: string;
  readonly address: string;
  readonly signal: AbortSignal;
  readonly work = new Work();
  private readonly loaders = new Map<unknown, unknown>();
  private readonly tasks: (() => void)[] = [];
  /** The server that was chosen; null until something is read. */
  private readonly reading: { db: Database | null } = { db: null };
  private queries: QueryCache | null;

  constructor(
    private readonly parts: ContextParts,
    readonly viewer: Viewer,
    { requestId, address, signal }: RequestFacts,
  ) {
    this.queries = parts.queries;
    this.log = parts.log.child({ requestId });
    this.requestId = requestId;
    this.address = address;
    this.signal = signal;
  }

  get db(): Database {
    return (this.reading.db ??= this.parts.reads.next());
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

  readFromPrimary(): void {
    this.reading.db = this.parts.reads.primary;
  }

  readFreshly(userId: string): Promise<void> {
    return this.parts.freshReaders.add(userId);
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

  private batchOf<Key, Value>({ batch, keptBy, name }: LoaderKind<Key, Value>): Batch<Key, Value> {
    if (!keptBy || !this.queries) return tracedBatch(name, batch(this.db));
    // What is kept must be as new as its versions: a server that only follows may be behind them.
    return tracedBatch(name, keptBy(this.queries, batch(this.parts.reads.primary)));
  }
}

function tracedBatch<Key, Value>(name: string | undefined, load: Batch<Key, Value>): Batch<Key, Value> {
  if (!isTracing()) return load;
  return (keys) => traced(name ? `load ${name}` : 'load', () => ({ 'auspex.loader.keys': keys.length }), () => load(keys));
}
