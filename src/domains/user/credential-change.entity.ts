import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import type { Columns } from '../../database/tables.js';

/**
 * A session or API key that ended, or a user whose role, employee or activity changed. Written by triggers, so that no way to
 * change them is missed; rows are deleted after two days, when no access token is as old.
 */
@Entity({ tableName: 'credential_change' })
@Index({ properties: ['changedAt'] })
export class CredentialChangeRecord {
  /** The id of the session, API key or user. */
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @Property({ length: 10 })
  kind!: 'session' | 'apiKey' | 'user';

  @Property({ type: 'timestamptz', length: 3 })
  changedAt!: Date;
}

declare module '../../database/tables.js' {
  interface Tables {
    credential_change: Columns<CredentialChangeRecord>;
  }
}
