import type { Opt } from '@mikro-orm/core';
import { Entity, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { Field, ObjectType } from 'type-graphql';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/relay/node.js';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import { User } from './user.entity.js';

/** One sign-in on one device. Its refresh token is rotated on use; only hashes are stored. */
@ObjectType('UserSession', {
  simpleResolvers: true,
  implements: Node,
  description: 'A session: one sign-in of a user on one device. For the user and ADMIN only.',
})
@Entity({ tableName: 'session' })
@Index({ properties: ['userId', 'createdAt'] })
export class SessionRecord extends BaseEntity {
  @ManyToOne(() => User, { mapToPk: true, fieldName: 'user_id', updateRule: 'cascade', deleteRule: 'cascade' })
  userId!: string;

  @Property({ length: 64, unique: true, hidden: true })
  refreshTokenHash!: string;

  /** The token before the last rotation. Its reuse ends the session, except shortly after: two tabs may have sent it. */
  @Property({ length: 64, nullable: true, unique: true, hidden: true })
  previousTokenHash!: string | null;

  @Field(() => GraphQLDateTime, { description: 'When the session ends unless it is refreshed before.' })
  @Property({ type: 'timestamptz', length: 3 })
  expiresAt!: Date;

  /** When the user last proved the password. */
  @Property({ type: 'timestamptz', length: 3, defaultRaw: 'now()' })
  authenticatedAt: Opt<Date> = new Date();

  @Field(() => String, {
    nullable: true,
    description: 'The client that signed in, as it named itself; null if it did not.',
  })
  @Property({ length: 200, nullable: true })
  client!: string | null;

  @Field(() => String, { nullable: true, description: 'The address of the last sign-in or refresh.' })
  @Property({ length: 45, nullable: true })
  address!: string | null;

  @Field(() => GraphQLDateTime, { description: 'Time of the sign-in.' })
  declare createdAt: Opt<Date>;
}

declare module '../../database/tables.js' {
  interface Tables {
    session: Columns<SessionRecord>;
  }
}
