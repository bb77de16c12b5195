import { Entity, Index, ManyToOne, PrimaryKey, Property, Unique } from '@mikro-orm/decorators/legacy';
import { Field, ObjectType } from 'type-graphql';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/relay/node.js';
import { DocumentRelease } from './release.entity.js';

/** A document of a release. Comes and goes with it. */
@ObjectType({
  simpleResolvers: true,
  implements: Node,
  description: 'A document of a release; clients may send its id instead of its text.',
})
@Entity({ tableName: 'published_document' })
@Unique({ properties: ['releaseId', 'documentId'] })
@Index({ properties: ['releaseId', 'id'] })
export class PublishedDocument {
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @ManyToOne(() => DocumentRelease, {
    mapToPk: true,
    fieldName: 'release_id',
    updateRule: 'cascade',
    deleteRule: 'cascade',
  })
  releaseId!: string;

  @Field({ description: 'The id that clients send: "sha256:" and the hash of the text, or a custom id.' })
  @Property({ length: 250 })
  documentId!: string;

  @Field({ description: 'SHA-256 of the text in hex.' })
  @Property({ length: 64 })
  hash!: string;

  @Field({ description: 'The exact text.' })
  @Property({ type: 'text' })
  text!: string;

  @Field(() => String, { nullable: true, description: 'Name of the first operation; null if it is anonymous.' })
  @Property({ type: 'text', nullable: true })
  operationName!: string | null;
}

declare module '../../database/tables.js' {
  interface Tables {
    published_document: Columns<PublishedDocument>;
  }
}
