import { Entity, Index, ManyToOne, PrimaryKey, Property, Unique } from '@mikro-orm/decorators/legacy';
import { Field, ObjectType } from 'type-graphql';
import type { Columns } from '../../database/tables.js';
import { DocumentRelease } from './release.entity.js';

/** A document of a release. Comes and goes with it. */
@ObjectType({ simpleResolvers: true, description: 'A document of a release, which its client may send by its id.' })
@Entity({ tableName: 'published_document' })
@Unique({ properties: ['releaseId', 'documentId'] })
@Index({ properties: ['releaseId', 'id'] })
export class PublishedDocument {
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @ManyToOne(() => DocumentRelease, { mapToPk: true, fieldName: 'release_id', updateRule: 'cascade', deleteRule: 'cascade' })
  releaseId!: string;

  @Field({ description: 'What the client calls it: sha256: and the hash of its text, or a name of its own.' })
  @Property({ length: 250 })
  documentId!: string;

  @Field({ description: 'The SHA-256 of its text.' })
  @Property({ length: 64 })
  hash!: string;

  @Field({ description: 'Its text, character by character.' })
  @Property({ type: 'text' })
  text!: string;

  @Field(() => String, { nullable: true, description: 'The name of its first operation; null where that has none.' })
  @Property({ type: 'text', nullable: true })
  operationName!: string | null;
}

declare module '../../database/tables.js' {
  interface Tables {
    published_document: Columns<PublishedDocument>;
  }
}
