import type { Opt } from '@mikro-orm/core';
import { Entity, ManyToOne, PrimaryKey, Property, Unique } from '@mikro-orm/decorators/legacy';
import { Field, Int, ObjectType } from 'type-graphql';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import { newId } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/relay/node.js';
import { User } from '../user/user.entity.js';

/** The documents that a version of a client was released with. Never changes: another set of documents is another version. */
@ObjectType({
  simpleResolvers: true,
  implements: Node,
  description: 'The documents of one client version. Immutable until it is retired.',
})
@Entity({ tableName: 'document_release' })
@Unique({ properties: ['client', 'version'] })
export class DocumentRelease {
  @PrimaryKey({ type: 'uuid' })
  id: Opt<string> = newId();

  @Field({ description: 'Client name, as sent in the header apollographql-client-name.' })
  @Property({ length: 100 })
  client!: string;

  @Field({ description: 'Client version, as sent in the header apollographql-client-version.' })
  @Property({ length: 100 })
  version!: string;

  /** SHA-256 of all ids and hashes: the same for the same documents. */
  @Property({ length: 64 })
  digest!: string;

  @Field(() => Int, { description: 'Number of documents.' })
  @Property({ type: 'integer' })
  documentCount!: number;

  /** Of all its texts. */
  @Property({ type: 'integer' })
  characters!: number;

  @ManyToOne(() => User, {
    mapToPk: true,
    fieldName: 'published_by',
    nullable: true,
    updateRule: 'cascade',
    deleteRule: 'set null',
  })
  publishedBy!: string | null;

  @Field(() => GraphQLDateTime, { description: 'Time of publication.' })
  @Property({ type: 'timestamptz', length: 3 })
  publishedAt: Opt<Date> = new Date();
}

declare module '../../database/tables.js' {
  interface Tables {
    document_release: Columns<DocumentRelease>;
  }
}
