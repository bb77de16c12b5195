import { Entity, Index, PrimaryKey, Property, Unique } from '@mikro-orm/decorators/legacy';
import { GraphQLDateTime, GraphQLSafeInt } from 'graphql-scalars';
import { Field, ObjectType } from 'type-graphql';
import type { Columns } from '../../database/tables.js';

/** How often a client sent a document. Written in batches. */
@ObjectType('DocumentUsage', { simpleResolvers: true, description: 'How often a version of a client sent a document, and when.' })
@Entity({ tableName: 'document_usage' })
@Unique({ properties: ['hash', 'client', 'clientVersion'] })
@Index({ properties: ['lastUsedAt', 'id'] })
@Index({ properties: ['isTrusted', 'lastUsedAt'] })
export class DocumentUsageRecord {
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  /** Empty where what is not trusted is counted together. */
  @Field(() => String, { nullable: true, description: 'The SHA-256 of the text; null where documents that are not trusted came in such numbers that they are counted together.' })
  @Property({ length: 64 })
  hash!: string;

  @Field(() => String, { nullable: true, description: 'The client, by the header apollographql-client-name; null where it does not say, or where there are too many to be told apart.' })
  @Property({ length: 100 })
  client!: string;

  @Field(() => String, { nullable: true, description: 'Its version, by the header apollographql-client-version; null where it does not say, or where there are too many to be told apart.' })
  @Property({ length: 100 })
  clientVersion!: string;

  @Field(() => String, { nullable: true, description: 'The name of the first operation in the text; null where it has none.' })
  @Property({ type: 'text', nullable: true })
  operationName!: string | null;

  /** Whether it was trusted when it was last used: what is not goes first when there is too much. */
  @Property({ type: 'boolean' })
  isTrusted!: boolean;

  @Field(() => GraphQLSafeInt, { description: 'How often it was let pass.' })
  @Property({ type: 'bigint' })
  count!: number;

  @Field(() => GraphQLSafeInt, { description: 'How many of these came in TRUSTED_DOCUMENTS=report and would have been refused in enforce.' })
  @Property({ type: 'bigint' })
  refusableCount!: number;

  @Field(() => GraphQLDateTime, { description: 'When it was first used, as far as is remembered.' })
  @Property({ type: 'timestamptz', length: 3 })
  firstUsedAt!: Date;

  @Field(() => GraphQLDateTime, { description: 'When it was last used.' })
  @Property({ type: 'timestamptz', length: 3 })
  lastUsedAt!: Date;
}

declare module '../../database/tables.js' {
  interface Tables {
    document_usage: Columns<DocumentUsageRecord>;
  }
}
