import type { Opt } from '@mikro-orm/core';
import { Entity, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { GraphQLDateTime } from 'graphql-scalars';
import { Field, Int, ObjectType } from 'type-graphql';
import type { Columns } from '../../database/tables.js';
import { User } from '../user/user.entity.js';

/** What was decided about a model while it served: a row for each model that was promoted or whose canary stopped itself. */
@ObjectType({ simpleResolvers: true, description: 'The version of a model that was promoted, and those that it came after.' })
@Entity({ tableName: 'model_deployment' })
export class ModelDeployment {
  /** The name of the model's folder. */
  @PrimaryKey({ length: 100 })
  model!: string;

  /** Null: none was promoted, and the manifest decides. */
  @Field(() => Int, { description: 'The version that was promoted. It answers as long as it is in the store, whatever the manifest says.' })
  @Property({ type: 'integer', nullable: true })
  version: number | null = null;

  @Field(() => [Int], { description: 'The versions that answered before, the last one first: where rollbackModel goes. The last 20 are kept.' })
  @Property({ type: 'jsonb', default: '[]' })
  earlierVersions: Opt<number[]> = [];

  @Field(() => GraphQLDateTime, { description: 'When it was promoted or rolled back to.' })
  @Property({ type: 'timestamptz', length: 3, nullable: true })
  changedAt: Date | null = null;

  @ManyToOne(() => User, { mapToPk: true, fieldName: 'changed_by', nullable: true, updateRule: 'cascade', deleteRule: 'set null' })
  changedBy: string | null = null;

  /** Counts promotions and rollbacks: of two at the same moment, one finds that it was overtaken. */
  @Property({ type: 'integer', version: true })
  revision: Opt<number> = 1;

  /** SHA-256 of the canary that stopped itself: the same file is not tried again. */
  @Property({ length: 64, nullable: true })
  stoppedCanaryDigest: string | null = null;

  @Property({ length: 1000, nullable: true })
  stoppedCanaryReason: string | null = null;
}

declare module '../../database/tables.js' {
  interface Tables {
    model_deployment: Columns<ModelDeployment>;
  }
}
