import { Entity, Enum, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { User } from './user.entity.js';

/** What the holder of a link may do once: set the first or a new password of an account, or create it. */
export enum LinkPurpose {
  INVITATION = 'INVITATION',
  RESET = 'RESET',
  REGISTRATION = 'REGISTRATION',
}

/** A link that was sent to an address. Only the hash of its token is stored; the row is deleted when it is used. */
@Entity({ tableName: 'account_token' })
@Index({ properties: ['userId'] })
@Index({ properties: ['email'] })
@Index({ properties: ['expiresAt'] })
export class AccountToken extends BaseEntity {
  @Property({ length: 64, unique: true, hidden: true })
  tokenHash!: string;

  @Enum({ items: () => LinkPurpose, nativeEnumName: 'link_purpose' })
  purpose!: LinkPurpose;

  /** Null for a registration, which creates the account. */
  @ManyToOne(() => User, {
    mapToPk: true,
    fieldName: 'user_id',
    nullable: true,
    updateRule: 'cascade',
    deleteRule: 'cascade',
  })
  userId!: string | null;

  /** The address that the link was sent to. */
  @Property({ length: 254 })
  email!: string;

  @Property({ type: 'timestamptz', length: 3 })
  expiresAt!: Date;
}

declare module '../../database/tables.js' {
  interface Tables {
    account_token: Columns<AccountToken>;
  }
}
