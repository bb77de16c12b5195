import { createHash, randomUUID } from 'node:crypto';
import { HeaderMap, type ApolloServerPlugin, type GraphQLRequestContext, type GraphQLResponse } from '@apollo/server';
import { printSchema, type FormattedExecutionResult, type GraphQLSchema } from 'graphql';
import type { Cache, CacheHealth } from '../shared/cache.js';
import type { CacheHintOptions } from './cache-hint.js';
import { CachePolicies, entitiesChangedBy, type CachePolicy } from './cache-policy.js';
import type { Context } from './context.js';
import { KeptAnswers, type Sought } from './kept-answers.js';

export interface ResponseCacheOptions {
  /** Where answers are kept; null: nowhere here, so that only callers keep them. */
  cache: Cache | null;
  /** The hint for the schema itself. */
  introspection: CacheHintOptions;
  /** Entities whose state each process holds for itself: answers that tell of them are good in this process alone. */
  localEntities?: readonly string[];
}

/** Counted since the start. */
export interface ResponseCacheStatistics {
  hits: number;
  misses: number;
  /** Changes that made answers old. */
  invalidations: number;
}

type Request = GraphQLRequestContext<Context>;

/** What makes the same address give different answers. */
const varyHeaders = 'Authorization, X-Api-Key, Accept';

/**
 * Says of each answer for how long it may be used again, and keeps it for that long: for its viewer, or for everyone where
 * the hints say PUBLIC. A query that is answered from here is not executed. After a mutation, whether it failed or not, and
 * before its own answer leaves, the answers that tell of what it may have changed are forgotten.
 */
export class ResponseCache {
  readonly statistics: ResponseCacheStatistics = { hits: 0, misses: 0, invalidations: 0 };
  readonly #policies: CachePolicies;
  readonly #cache: Cache | null;
  readonly #kept: KeptAnswers | null;
  readonly #localVersions: Map<string, string>;
  readonly #schemaHashes = new WeakMap<GraphQLSchema, string>();
  /** The text of data that is kept or was, so that it is written once and never read. */
  readonly #texts = new WeakMap<object, string>();

  constructor({ cache, introspection, localEntities = [] }: ResponseCacheOptions) {
    this.#policies = new CachePolicies(introspection);
    this.#cache = cache;
    this.#kept = cache && new KeptAnswers(cache);
    this.#localVersions = new Map(localEntities.map((entity) => [entity, randomUUID()]));
  }

  /** For Apollo Server, together with `stringify`. */
  plugin(): ApolloServerPlugin<Context> {
    return {
      requestDidStart: () => {
        let asked: { key: string; sought: Sought } | null = null;
        return Promise.resolve({
          responseForOperation: async (request) => {
            const policy = this.#policyOf(request);
            if (!this.#kept || policy.maxAgeSeconds === 0) return null;
            const key = this.#key(request, policy);
            const sought = await this.#kept.find(key, this.#shared(policy.entities), policy.maxAgeSeconds);
            asked = { key, sought };
            this.statistics[sought.state === 'kept' ? 'hits' : 'misses'] += 1;
            return sought.state === 'kept' ? this.#answer(request, sought) : null;
          },
          willSendResponse: async (request) => {
            const { schema, document, operation } = request;
            if (document && operation) await this.forget(entitiesChangedBy(schema, document, operation));
            request.contextValue.runTasks();
            const data = usableData(request);
            const policy = this.#policyOf(request);
            if (!data || policy.maxAgeSeconds === 0) {
              request.response.http.headers.set('cache-control', 'no-store');
              return;
            }
            setHeaders(request.response.http.headers, policy);
            if (asked?.sought.state === 'missing') this.#keep(asked.key, policy, asked.sought.versions, data);
          },
        });
      },
    };
  }

  /** An answer as text. */
  readonly stringify = (result: FormattedExecutionResult): string => {
    const text = result.data && !result.errors && !result.extensions ? this.#texts.get(result.data) : undefined;
    return text === undefined ? `${JSON.stringify(result)}\n` : `{"data":${text}}\n`;
  };

  /** Forgets the answers that tell of one of the entities; they are gone, for all who share the cache, once this resolves. */
  async forget(entities: readonly string[]): Promise<void> {
    if (entities.length === 0) return;
    this.statistics.invalidations += 1;
    for (const entity of entities) if (this.#localVersions.has(entity)) this.#localVersions.set(entity, randomUUID());
    await this.#kept?.forget(this.#shared(entities));
  }

  /** Of where answers are kept; null: nowhere here. */
  health(): CacheHealth | null {
    return this.#cache?.health() ?? null;
  }

  close(): void {
    this.#kept?.close();
  }

  #policyOf({ schema, document, operation }: Pick<Request, 'schema' | 'document' | 'operation'>): CachePolicy {
    return document && operation ? this.#policies.of(schema, document, operation) : { maxAgeSeconds: 0, isPublic: false, entities: [] };
  }

  /** All that the answer depends on: of the viewer simply everything, so that nothing can be forgotten here, but for when the credential ends. */
  #key({ schema, queryHash, operationName, request, contextValue }: Request, { isPublic, entities }: CachePolicy): string {
    const local = entities.map((entity) => this.#localVersions.get(entity) ?? null);
    const parts = [this.#schemaHash(schema), queryHash, operationName, request.variables ?? {}, isPublic ? null : { ...contextValue.viewer, expiresAt: null }, local];
    return sha256(canonical(parts));
  }

  #schemaHash(schema: GraphQLSchema): string {
    const hash = this.#schemaHashes.get(schema) ?? sha256(printSchema(schema));
    this.#schemaHashes.set(schema, hash);
    return hash;
  }

  #answer({ request }: Request, { text, ageSeconds }: Extract<Sought, { state: 'kept' }>): GraphQLResponse {
    // Over HTTP nobody reads the data on its way: `stringify` knows its text.
    const data = request.http ? {} : (JSON.parse(text) as Record<string, unknown>);
    this.#texts.set(data, text);
    return { http: { headers: new HeaderMap([['age', String(ageSeconds)]]) }, body: { kind: 'single', singleResult: { data } } };
  }

  #keep(key: string, { entities, maxAgeSeconds }: CachePolicy, versions: readonly string[], data: Record<string, unknown>): void {
    const text = JSON.stringify(data);
    this.#texts.set(data, text);
    void this.#kept?.keep({ key, text, entities: this.#shared(entities), versions, maxAgeSeconds });
  }

  /** Of the entities those whose state is the same for all processes. */
  #shared(entities: readonly string[]): readonly string[] {
    return entities.filter((entity) => !this.#localVersions.has(entity));
  }
}

/** The data of an answer without a fault; null of any other. */
function usableData({ response, errors }: Request): Record<string, unknown> | null {
  if (errors?.length || response.body?.kind !== 'single' || (response.http.status ?? 200) !== 200) return null;
  const { data, extensions, errors: told } = response.body.singleResult;
  return extensions || told ? null : (data ?? null);
}

function setHeaders(headers: HeaderMap, { maxAgeSeconds, isPublic }: CachePolicy): void {
  headers.set('cache-control', `max-age=${maxAgeSeconds}, ${isPublic ? 'public' : 'private'}`);
  headers.set('vary', isPublic ? 'Accept' : varyHeaders);
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');

/** One text for equal values, whatever the order of their keys; numbers that JSON does not have, such as 1e999, differ from null. */
function canonical(value: unknown): string {
  if (typeof value === 'number' || value === undefined) return String(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
}
