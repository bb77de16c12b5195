import type { Opt } from '@mikro-orm/core';
import { Entity, ManyToOne, PrimaryKey, Property, Unique } from '@mikro-orm/decorators/legacy';
import { GraphQLDateTime } from 'graphql-scalars';
import { Field, Int, ObjectType } from 'type-graphql';
import { newId } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { User } from '../user/user.entity.js';

/** The documents that a version of a client was released with. Never changes: another set of documents is another version. */
@ObjectType({ simpleResolvers: true, description: 'The documents that a version of a client was released with. It never changes; it is there until it is retired.' })
@Entity({ tableName: 'document_release' })
@Unique({ properties: ['client', 'version'] })
export class DocumentRelease {
  @PrimaryKey({ type: 'uuid' })
  id: Opt<string> = newId();

  @Field({ description: 'The client, by the name that it sends as apollographql-client-name.' })
  @Property({ length: 100 })
  client!: string;

  @Field({ description: 'The version, as the client sends it as apollographql-client-version.' })
  @Property({ length: 100 })
  version!: string;

  /** SHA-256 of all ids and hashes: the same for the same documents. */
  @Property({ length: 64 })
  digest!: string;

  @Field(() => Int, { description: 'How many documents it has.' })
  @Property({ type: 'integer' })
  documentCount!: number;

  /** Of all its texts. */
  @Property({ type: 'integer' })
  characters!: number;

  @ManyToOne(() => User, { mapToPk: true, fieldName: 'published_by', nullable: true, updateRule: 'cascade', deleteRule: 'set null' })
  publishedBy!: string | null;

  @Field(() => GraphQLDateTime, { description: 'When it was published.' })
  @Property({ type: 'timestamptz', length: 3 })
  publishedAt: Opt<Date> = new Date();
}

declare module '../../database/tables.js' {
  interface Tables {
    document_release: Columns<DocumentRelease>;
  }
}
