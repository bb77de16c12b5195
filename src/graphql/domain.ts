import type { EntityClass } from '@mikro-orm/postgresql';
import type { ClassType } from 'type-graphql';
import type { LoginThrottle } from '../auth/login-throttle.js';
import type { TokenSigner } from '../auth/token.js';
import type { Database } from '../database/tables.js';
import type { Predictor } from '../inference/predictor.js';
import type { Logger } from '../shared/logger.js';
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
  predictor: Predictor;
  tokens: TokenSigner;
  throttle: LoginThrottle;
  log: Logger;
  settings: { refreshTokenTtlDays: number; isRegistrationOpen: boolean; predictionHistoryDays: number };
}

/** A domain at work. */
export interface OpenDomain {
  /** One instance of each resolver class. */
  resolvers: object[];
  /** Finishes what is under way, for a domain that works behind the response. */
  close?(): Promise<void>;
}
