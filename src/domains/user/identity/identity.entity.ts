import { Entity, ManyToOne, PrimaryKey, Property, Unique } from '@mikro-orm/decorators/legacy';
import { BaseEntity } from '../../../database/base.entity.js';
import type { Columns } from '../../../database/tables.js';
import { User } from '../user.entity.js';

/** A user's identity at an identity provider. The subject identifies it for good; an e-mail address may pass to another person. */
@Entity({ tableName: 'user_identity' })
@Unique({ properties: ['issuer', 'subject'] })
@Unique({ properties: ['userId', 'issuer'] })
export class UserIdentity extends BaseEntity {
  @ManyToOne(() => User, { mapToPk: true, fieldName: 'user_id', updateRule: 'cascade', deleteRule: 'cascade' })
  userId!: string;

  @Property({ length: 500 })
  issuer!: string;

  @Property({ length: 255 })
  subject!: string;
}

/** A code that a browser exchanges once for a session, after the identity provider has signed its user in. */
@Entity({ tableName: 'sign_in_code' })
export class SignInCode {
  @PrimaryKey({ length: 64 })
  codeHash!: string;

  /** SHA-256 of the verifier of the page that started the sign-in, in base64url. */
  @Property({ length: 43 })
  challenge!: string;

  @ManyToOne(() => User, {
    mapToPk: true,
    fieldName: 'user_id',
    updateRule: 'cascade',
    deleteRule: 'cascade',
    index: true,
  })
  userId!: string;

  @Property({ type: 'timestamptz', length: 3 })
  expiresAt!: Date;
}

declare module '../../../database/tables.js' {
  interface Tables {
    user_identity: Columns<UserIdentity>;
    sign_in_code: Columns<SignInCode>;
  }
}
