import type { EntityClass } from '@mikro-orm/postgresql';
import type { GraphQLFieldConfigMap, GraphQLSchema } from 'graphql';
import type { ClassType } from 'type-graphql';
import type { LoginThrottle } from '../auth/login-throttle.js';
import type { TokenSigner } from '../auth/token.js';
import type { Database } from '../database/tables.js';
import type { Documents } from '../documents/open.js';
import type { Predictor } from '../inference/predictor.js';
import type { EventReader } from '../shared/event-queue.js';
import type { Logger } from '../shared/logger.js';
import type { PubSub } from '../shared/pub-sub.js';
import type { Context } from './context.js';
import type { NodeSources } from './node.js';
import type { Permissions } from './permissions.js';

/** What a domain hands to the gateway: its tables, its part of the schema, and who may ask for what. */
export interface Domain {
  name: string;
  entities: EntityClass<unknown>[];
  resolvers: ClassType[];
  permissions: Permissions;
  /** Makes the resolvers, each with what it needs. */
  open(parts: Parts): OpenDomain;
}

/** What the gateway has opened before its domains. */
export interface Parts {
  db: Database;
  /** For a connection of one's own, such as one that listens. */
  databaseUrl: string;
  predictor: Predictor;
  documents: Pick<Documents, 'trusted' | 'usage'>;
  tokens: TokenSigner;
  throttle: LoginThrottle;
  pubSub: PubSub;
  /** The schema of the domains alone, without rules and instances: all names, and nothing that comes and goes. */
  baseSchema: GraphQLSchema;
  log: Logger;
  settings: { refreshTokenTtlDays: number; isRegistrationOpen: boolean; predictionHistoryDays: number; streams: { bufferedEvents: number } };
}

/**
 * A resolver of subscriptions: its methods give what each event tells, and `sources` opens the events of each of them, by
 * the field's name. type-graphql has no instance at hand where a subscription opens.
 */
export interface EventSources {
  readonly sources: Readonly<Record<string, OpenEvents>>;
}

/** Answers an EventQueue, whose end the stream follows. @throws AppError where the arguments are faulty; nothing is open then */
export type OpenEvents = (args: Record<string, unknown>, context: Context) => EventReader<unknown>;

/** A domain at work. */
export interface OpenDomain {
  /** One instance of each resolver class. */
  resolvers: object[];
  /** An entity whose state this process holds, and other replicas each for themselves. */
  localEntity?: LocalEntity;
  /** What waits in it to be written. */
  queue?: WriteQueue;
  /** How its things are fetched by id: one source for each of its types that implements `Node`. */
  nodes?: NodeSources;
  /** Its part of the schema that changes while the gateway serves. */
  extension?: SchemaExtension;
  /** Does what must be done before the first request; a failure keeps the gateway from starting. */
  ready?(): Promise<void>;
  /** Finishes what is under way, for a domain that works behind the response. */
  close?(): Promise<void>;
}

/** What a domain writes behind the response. */
export interface WriteQueue {
  name: string;
  /** What waits now. */
  readonly length: number;
  /** What was given up since the start: it will never be written. */
  readonly lost: number;
}

/** Answers that tell of it are kept for this process alone, until it changes. */
export interface LocalEntity {
  /** The name of its type. */
  type: string;
  /** Calls the listener after each change; answers how to stop that. */
  onChange(listener: () => void): () => void;
}

/** Root fields that come, go and change while the gateway serves. */
export interface SchemaExtension {
  /**
   * The fields of Query as they are now, with the types that they reach.
   * @param base the schema of the domains' resolvers, whose types they may use
   */
  queries(base: GraphQLSchema): GraphQLFieldConfigMap<unknown, Context>;
  /** Who may ask for these fields. */
  rule: Permissions[string][string];
  /** Calls the listener when `queries` would give other fields than before; answers how to stop that. */
  onChange(listener: () => void): () => void;
}
