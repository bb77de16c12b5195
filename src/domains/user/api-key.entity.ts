import type { Opt } from '@mikro-orm/core';
import { Entity, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { Field, ObjectType } from 'type-graphql';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/relay/node.js';
import { User } from './user.entity.js';

@ObjectType({
  simpleResolvers: true,
  implements: Node,
  description:
    "A credential for programs, sent as the header x-api-key. It acts for its owner, within the owner's role and its own scopes.",
})
@Entity({ tableName: 'api_key' })
@Index({ properties: ['userId', 'createdAt'] })
export class ApiKey extends BaseEntity {
  @ManyToOne(() => User, { mapToPk: true, fieldName: 'user_id', updateRule: 'cascade', deleteRule: 'cascade' })
  userId!: string;

  @Field({ description: 'Name given by the owner.' })
  @Property({ length: 100 })
  name!: string;

  @Field({ description: 'The first characters of the secret, to recognize the key.' })
  @Property({ length: 20 })
  prefix!: string;

  @Property({ length: 64, unique: true, hidden: true })
  secretHash!: string;

  @Field(() => [String], {
    description: 'Granted scopes: employees:read, employees:write, predict, documents:publish.',
  })
  @Property({ type: 'text[]' })
  scopes!: string[];

  @Field(() => GraphQLDateTime, {
    nullable: true,
    description: 'Time of the last use, accurate to a minute; null if never used.',
  })
  @Property({ type: 'timestamptz', length: 3, nullable: true })
  lastUsedAt!: Date | null;

  @Field(() => GraphQLDateTime, {
    nullable: true,
    description: 'Expiry; null for keys without one, which earlier releases created.',
  })
  @Property({ type: 'timestamptz', length: 3, nullable: true })
  expiresAt!: Date | null;

  @Field(() => GraphQLDateTime, { description: 'Creation time.' })
  declare createdAt: Opt<Date>;
}

declare module '../../database/tables.js' {
  interface Tables {
    api_key: Columns<ApiKey>;
  }
}
