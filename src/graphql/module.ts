import type { EntityClass } from '@mikro-orm/postgresql';
import type { GraphQLFieldConfigMap, GraphQLSchema } from 'graphql';
import type { ClassType } from 'type-graphql';
import type { AuditLog } from '../audit/audit-log.js';
import type { CredentialChanges } from '../auth/credential-changes.js';
import type { SecretCipher } from '../auth/secret-cipher.js';
import type { SignInChallenges } from '../auth/sign-in-challenge.js';
import type { LoginThrottle } from '../auth/login-throttle.js';
import type { PasswordPolicy } from '../auth/password-policy.js';
import type { TokenSigner } from '../auth/token.js';
import type { Database } from '../database/tables.js';
import type { PubSub } from '../events/pub-sub.js';
import type { Predictor } from '../inference/serving/predictor.js';
import type { ExchangeRates } from '../integrations/exchange-rates/exchange-rates.js';
import type { MailQueue } from '../integrations/mail/mail-queue.js';
import type { Documents } from '../persisted-documents/persisted-documents.js';
import type { Logger } from '../telemetry/logger.js';
import type { Context } from './context/context.js';
import type { FeatureSource } from './lineage/features.js';
import type { AddedFields } from './schema/added-fields.js';
import type { IndexGuard } from './filtering/index-guard.js';
import type { ReadYourWrites } from './context/read-your-writes.js';
import type { RateCounters } from '../redis/rate-counters.js';
import type { Permissions } from './permissions/rules.js';
import type { Visibility } from './permissions/visibility.js';
import type { NodeSources } from './relay/node.js';

/** A domain as the gateway sees it: its tables, its part of the schema, and its authorization rules. */
export interface DomainModule {
  name: string;
  entities: EntityClass<unknown>[];
  /** Entities of tables that exist without the gateway: no migration creates, changes or drops them. */
  existingTables?: EntityClass<unknown>[];
  resolvers: ClassType[];
  permissions: Permissions;
  /** The values of its types that models may use. */
  features?: readonly FeatureSource[];
  /** Which objects of a type a viewer may see, by type. Fields that refer to one of the others are null. */
  visibility?: Visibility;
  /** Creates the resolvers with the services that they use. */
  load(services: Services): LoadedModule;
}

/** The services that the gateway opens before it loads the domains. */
export interface Services {
  /** The primary. */
  db: Database;
  /** Pins users to the primary after a change. */
  readYourWrites: Pick<ReadYourWrites, 'pin'>;
  /** For a dedicated connection, such as one that listens for notifications. */
  databaseUrl: string;
  predictor: Predictor;
  /** Null if no source is configured. */
  exchangeRates: ExchangeRates | null;
  documents: Pick<Documents, 'trusted' | 'usage'>;
  tokens: TokenSigner;
  throttle: LoginThrottle;
  /** Decides which new passwords are acceptable. */
  passwords: PasswordPolicy;
  /** Null if the gateway sends no mail. */
  mail: MailQueue | null;
  /** Encrypts the secrets of authenticator apps. */
  cipher: SecretCipher;
  /** Link the two steps of a sign-in with MFA. */
  challenges: SignInChallenges;
  /** Ended sessions and changed users, which contradict access tokens. */
  credentialChanges: CredentialChanges;
  /** Records who did what. */
  audit: AuditLog;
  /** Rejects lists of large tables that no index serves. */
  indexes: IndexGuard;
  pubSub: PubSub;
  /** Counts of requests and attempts by caller. */
  counters: RateCounters;
  /** The values that models may use, of all domains. */
  features: readonly FeatureSource[];
  /** The schema of all domains without rules, resolver instances and extensions, for their names. */
  baseSchema: GraphQLSchema;
  log: Logger;
  settings: {
    refreshTokenTtlDays: number;
    sessionLifetimeDays: number;
    apiKeyMaxDays: number;
    /** The identity provider; null if none is configured. */
    identityIssuer: string | null;
    /** How anonymous callers get an account. */
    registration: 'open' | 'email' | 'closed';
    /** The start of links to the gateway, without a slash at the end; null if it is not configured. */
    publicUrl: string | null;
    mfa: { requiredRoles: readonly string[]; issuer: string };
    historyRetentionDays: number;
    /** The directory of the journals of predictions; null without one. */
    predictionJournalDir: string | null;
    streams: { bufferedEvents: number };
    predictions: { windowSeconds: number; rowsPerViewer: number };
  };
}

/** A loaded domain. */
interface LoadedModule {
  /** One instance of each resolver class. */
  resolvers: object[];
  /** An entity whose state each process holds for itself. */
  localEntity?: LocalEntity;
  /** What the domain writes after the response. */
  queue?: WriteQueue;
  /** Fetches objects by ID: one source for each type that implements `Node`, by the prefix of its IDs. */
  nodes?: NodeSources;
  /** The parts of the schema that change while the gateway serves. */
  extensions?: readonly SchemaExtension[];
  /** Prepares the domain for the first request; a failure stops the start. */
  ready?(): Promise<void>;
  /** Finishes work that continues after responses. */
  close?(): Promise<void>;
}

/** A queue of rows that are written after the response. */
export interface WriteQueue {
  name: string;
  /** Rows that wait to be written. */
  readonly length: number;
  /** Rows dropped since the start. */
  readonly lost: number;
  /** The room that calls reserve before they work; absent if they do not. */
  readonly room?: QueueRoom;
}

/** The room of a write queue. */
export interface QueueRoom {
  /** Reserved by calls that compute, and occupied by rows that wait to be written. */
  reservedBytes: number;
  capacityBytes: number;
  /** Calls that were rejected since the start, because there was no room. */
  rejectedCalls: number;
  /** The files that keep items when the process is killed; null without them. */
  journal: { isUp: boolean; bytes: number } | null;
}

/** An entity whose state each process holds for itself. Responses that contain it are cached per process, until it changes. */
export interface LocalEntity {
  /** The name of its type. */
  type: string;
  /** Calls the listener after each change. @returns a function that unsubscribes */
  onChange(listener: () => void): () => void;
}

/** Fields that are added, removed and changed while the gateway serves. */
export type SchemaExtension = QueryExtension | TypeExtension;

/** Adds fields to Query. */
export interface QueryExtension {
  /**
   * Builds the current fields of Query, with their types.
   * @param base the schema of the domains' resolvers, whose types the fields may use
   */
  queries(base: GraphQLSchema): GraphQLFieldConfigMap<unknown, Context>;
  /** The authorization rule of these fields. */
  rule: Permissions[string][string];
  /** Calls the listener when there would be other fields. @returns a function that unsubscribes */
  onChange(listener: () => void): () => void;
}

/** Adds fields to types of the domains. */
export interface TypeExtension {
  /** Builds the current fields; null if there are none. @param schema with the fields of Query that are added */
  fields(schema: GraphQLSchema): AddedFields | null;
  /** Calls the listener when there would be other fields. @returns a function that unsubscribes */
  onChange(listener: () => void): () => void;
}
