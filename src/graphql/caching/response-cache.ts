import { createHash, randomUUID } from 'node:crypto';
import { HeaderMap, type GraphQLResponse } from '@apollo/server';
import { printSchema, type FormattedExecutionResult, type GraphQLSchema } from 'graphql';
import { textData, textOfData } from '../execution/text-data.js';
import { resultText } from '../server/json-text.js';
import type { OperationRequest, Stage, StageHooks } from '../server/stages/stage.js';
import type { CacheHealth } from '../../cache/cache.js';
import type { CachedText, VersionedCache } from '../../cache/versioned-cache.js';
import type { CacheHintOptions } from '../schema/cache-control.js';
import { CachePolicies, type CachePolicy } from './cache-policy.js';
import { SettledVersions } from './settled-versions.js';

export interface ResponseCacheOptions {
  /** Shared with the query result cache; null if both are disabled. */
  cache: VersionedCache | null;
  /** Whether the gateway caches responses; if not, clients still may, by the HTTP headers. */
  isEnabled: boolean;
  /** The hint of `__schema` and `__type`. */
  introspection: CacheHintOptions;
  /** Entities whose state each process holds for itself; responses that contain them are cached per process. */
  localEntities?: readonly string[];
  /** The maximum replication lag in milliseconds; 0 without replicas. */
  settleMs?: number;
}

/** Counted since the start. */
export interface ResponseCacheStatistics {
  hits: number;
  misses: number;
  /** Changes that invalidated responses. */
  invalidations: number;
}

/** A cache miss, with the versions of its entities before the response is computed. */
interface Miss {
  key: string;
  versions: readonly string[];
}

/** Request headers that select the response of a URL. */
const varyHeaders = 'Authorization, X-Api-Key, Accept';

/**
 * Sets the HTTP caching headers of each response and caches it for its maximum age: for its viewer, or for all viewers if the
 * hints are PUBLIC. A cached query is not executed.
 */
export class ResponseCache implements Stage {
  readonly statistics: ResponseCacheStatistics = { hits: 0, misses: 0, invalidations: 0 };
  readonly #policies: CachePolicies;
  readonly #cache: VersionedCache | null;
  readonly #isEnabled: boolean;
  readonly #settled: SettledVersions;
  readonly #localVersions: Map<string, string>;
  readonly #schemaHashes = new WeakMap<GraphQLSchema, string>();

  constructor({ cache, isEnabled, introspection, localEntities = [], settleMs = 0 }: ResponseCacheOptions) {
    this.#policies = new CachePolicies(introspection);
    this.#cache = cache;
    this.#isEnabled = isEnabled;
    this.#settled = new SettledVersions(settleMs);
    this.#localVersions = new Map(localEntities.map((entity) => [entity, randomUUID()]));
  }

  begin(): StageHooks {
    let miss: Miss | null = null;
    return {
      respond: (request) => {
        const policy = this.#policyOf(request);
        if (!this.#cache || !this.#isEnabled || policy.maxAgeSeconds === 0) return null;
        return this.#find(this.#cache, request, policy).then((found) => {
          miss = found.miss;
          return found.response;
        });
      },
      complete: (request) => {
        const data = cacheableData(request);
        const policy = this.#policyOf(request);
        if (!data || policy.maxAgeSeconds === 0) {
          request.response.http.headers.set('cache-control', 'no-store');
          return;
        }
        setHeaders(request.response.http.headers, policy);
        if (miss) this.#store(miss, policy, data);
      },
    };
  }

  /** Serializes a result for HTTP. */
  readonly stringify = (result: FormattedExecutionResult): string | Promise<string> => {
    const text = resultText(result);
    return typeof text === 'string' ? `${text}\n` : text.then((whole) => `${whole}\n`);
  };

  /** Invalidates responses and rows with one of the entities, for all processes that share the cache once this resolves. */
  async invalidate(entities: readonly string[]): Promise<void> {
    if (entities.length === 0) return;
    this.statistics.invalidations += 1;
    for (const entity of entities) if (this.#localVersions.has(entity)) this.#localVersions.set(entity, randomUUID());
    await this.#cache?.invalidate(this.#shared(entities));
  }

  /** The health of the underlying cache; null if the gateway caches no responses. */
  health(): CacheHealth | null {
    return this.#isEnabled && this.#cache ? this.#cache.health() : null;
  }

  /** Reads the cached response, or what a miss is stored under. */
  async #find(
    cache: VersionedCache,
    request: OperationRequest,
    policy: CachePolicy,
  ): Promise<{ response: GraphQLResponse | null; miss: Miss | null }> {
    const key = this.#key(request, policy);
    const entities = this.#shared(policy.entities);
    const lookup = await cache.find([key], entities, policy.maxAgeSeconds);
    const cached = lookup.state === 'known' ? lookup.entries[0] : null;
    this.statistics[cached ? 'hits' : 'misses'] += 1;
    if (cached) return { response: cachedResponse(cached), miss: null };
    if (lookup.state !== 'known') return { response: null, miss: null };
    // The response is stored under the current versions, so it must include the last changes.
    if (!this.#settled.areSettled(entities, lookup.versions)) request.contextValue.readFromPrimary();
    return { response: null, miss: { key, versions: lookup.versions } };
  }

  #policyOf({ schema, document, operation }: OperationRequest): CachePolicy {
    return document && operation
      ? this.#policies.of(schema, document, operation)
      : { maxAgeSeconds: 0, isPublic: false, entities: [] };
  }

  /** Everything that the response depends on; of the viewer everything but the expiry of the credential, to omit nothing. */
  #key(
    { schema, queryHash, operationName, request, contextValue }: OperationRequest,
    { isPublic, entities }: CachePolicy,
  ): string {
    const local = entities.map((entity) => this.#localVersions.get(entity) ?? null);
    const parts = [
      this.#schemaHash(schema),
      queryHash,
      operationName,
      request.variables ?? {},
      isPublic ? null : { ...contextValue.viewer, expiresAt: null },
      local,
    ];
    return sha256(canonical(parts));
  }

  #schemaHash(schema: GraphQLSchema): string {
    const hash = this.#schemaHashes.get(schema) ?? sha256(printSchema(schema));
    this.#schemaHashes.set(schema, hash);
    return hash;
  }

  #store({ key, versions }: Miss, { entities, maxAgeSeconds }: CachePolicy, data: Record<string, unknown>): void {
    const text = textOfData(data);
    void this.#cache?.store([{ key, text }], { entities: this.#shared(entities), versions, maxAgeSeconds });
  }

  /** The entities whose state is shared by all processes. */
  #shared(entities: readonly string[]): readonly string[] {
    return entities.filter((entity) => !this.#localVersions.has(entity));
  }
}

const cachedResponse = ({ text, ageSeconds }: CachedText): GraphQLResponse => ({
  http: { headers: new HeaderMap([['age', String(ageSeconds)]]) },
  body: { kind: 'single', singleResult: { data: textData(text) } },
});

/** The data of a response without errors; null for any other. */
function cacheableData({ response, errors }: OperationRequest): Record<string, unknown> | null {
  if (errors?.length || response.body?.kind !== 'single' || (response.http.status ?? 200) !== 200) return null;
  const { data, extensions, errors: formatted } = response.body.singleResult;
  return extensions || formatted ? null : (data ?? null);
}

function setHeaders(headers: HeaderMap, { maxAgeSeconds, isPublic }: CachePolicy): void {
  // A browser cannot see changes: it revalidates what belongs to a viewer by its entity tag.
  headers.set('cache-control', isPublic ? `max-age=${maxAgeSeconds}, public` : 'private, no-cache');
  headers.set('vary', isPublic ? 'Accept' : varyHeaders);
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');

/** Serializes values without regard to the order of keys; numbers outside JSON, such as 1e999, differ from null. */
function canonical(value: unknown): string {
  if (typeof value === 'number' || value === undefined) return String(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
}
