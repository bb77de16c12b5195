import type { Opt } from '@mikro-orm/core';
import { Entity, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ObjectType } from 'type-graphql';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { User } from './user.entity.js';

@ObjectType({ simpleResolvers: true, description: "A credential for programs, sent as the header x-api-key. It acts for its owner, within the owner's role and its own scopes." })
@Entity({ tableName: 'api_key' })
@Index({ properties: ['userId', 'createdAt'] })
export class ApiKey extends BaseEntity {
  @ManyToOne(() => User, { mapToPk: true, fieldName: 'user_id', updateRule: 'cascade', deleteRule: 'cascade' })
  userId!: string;

  @Field({ description: 'What the key is for, in the words of its owner.' })
  @Property({ length: 100 })
  name!: string;

  @Field({ description: 'The beginning of the secret, by which to tell keys apart.' })
  @Property({ length: 20 })
  prefix!: string;

  @Property({ length: 64, unique: true, hidden: true })
  secretHash!: string;

  @Field(() => [String], { description: 'What the key may do: employees:read, employees:write, predict, documents:publish.' })
  @Property({ type: 'text[]' })
  scopes!: string[];

  @Field(() => GraphQLDateTime, { nullable: true, description: 'When the key was last used, to the minute; null if never.' })
  @Property({ type: 'timestamptz', length: 3, nullable: true })
  lastUsedAt!: Date | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'When the key stops working; null if never.' })
  @Property({ type: 'timestamptz', length: 3, nullable: true })
  expiresAt!: Date | null;

  @Field(() => GraphQLDateTime, { description: 'When the key was made.' })
  declare createdAt: Opt<Date>;
}

declare module '../../database/tables.js' {
  interface Tables {
    api_key: Columns<ApiKey>;
  }
}
