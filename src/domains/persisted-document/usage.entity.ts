import { Entity, Index, PrimaryKey, Property, Unique } from '@mikro-orm/decorators/legacy';
import { GraphQLSafeInt } from 'graphql-scalars';
import { Field, ObjectType } from 'type-graphql';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/relay/node.js';

/** How often a client sent a document. Written in batches. */
@ObjectType('DocumentUsage', {
  simpleResolvers: true,
  implements: Node,
  description: 'Usage of a document by one client version.',
})
@Entity({ tableName: 'document_usage' })
@Unique({ properties: ['hash', 'client', 'clientVersion'] })
@Index({ properties: ['lastUsedAt', 'id'] })
@Index({ properties: ['isTrusted', 'lastUsedAt'] })
export class DocumentUsageRecord {
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  /** Empty for untrusted documents that are counted together. */
  @Field(() => String, {
    nullable: true,
    description:
      'SHA-256 of the text in hex; null for untrusted documents beyond the tracking limit, which are counted together.',
  })
  @Property({ length: 64 })
  hash!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Client name, from the header apollographql-client-name; null if absent or beyond the tracking limit.',
  })
  @Property({ length: 100 })
  client!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Client version, from the header apollographql-client-version; null if absent or beyond the tracking limit.',
  })
  @Property({ length: 100 })
  clientVersion!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Name of the first operation; null if it is anonymous.',
  })
  @Property({ type: 'text', nullable: true })
  operationName!: string | null;

  /** Whether it was trusted at the last use: purges delete untrusted rows first. */
  @Property({ type: 'boolean' })
  isTrusted!: boolean;

  @Field(() => GraphQLSafeInt, { description: 'Number of accepted requests.' })
  @Property({ type: 'bigint' })
  count!: number;

  @Field(() => GraphQLSafeInt, {
    description: 'Requests accepted with TRUSTED_DOCUMENTS=report that enforce would reject.',
  })
  @Property({ type: 'bigint' })
  refusableCount!: number;

  @Field(() => GraphQLDateTime, { description: 'Time of the first tracked use.' })
  @Property({ type: 'timestamptz', length: 3 })
  firstUsedAt!: Date;

  @Field(() => GraphQLDateTime, { description: 'Time of the last use.' })
  @Property({ type: 'timestamptz', length: 3 })
  lastUsedAt!: Date;
}

declare module '../../database/tables.js' {
  interface Tables {
    document_usage: Columns<DocumentUsageRecord>;
  }
}
