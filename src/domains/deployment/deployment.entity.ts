import type { Opt } from '@mikro-orm/core';
import { Entity, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { Field, Int, ObjectType } from 'type-graphql';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/relay/node.js';
import { Model, type ModelView } from '../model/model.types.js';
import { User } from '../user/user.entity.js';

/** Deployment state of a model: a row for each model that was promoted or whose canary stopped. */
@ObjectType({
  simpleResolvers: true,
  implements: Node,
  description: 'The promoted version of a model, and the versions before it.',
})
@Entity({ tableName: 'model_deployment' })
export class ModelDeployment {
  /** The name of the model's folder. */
  @PrimaryKey({ length: 100 })
  model!: string;

  /** Null if none was promoted: the manifest selects the version. */
  @Field(() => Int, {
    description: 'The promoted version. It overrides the manifest while it is in the model repository.',
  })
  @Property({ type: 'integer', nullable: true })
  version: number | null = null;

  @Field(() => [Int], {
    description: 'Earlier versions, the most recent first, up to 20: the targets of rollbackModel.',
  })
  @Property({ type: 'jsonb', default: '[]' })
  earlierVersions: Opt<number[]> = [];

  @Field(() => GraphQLDateTime, { description: 'Time of the promotion or rollback.' })
  @Property({ type: 'timestamptz', length: 3, nullable: true })
  changedAt: Date | null = null;

  @ManyToOne(() => User, {
    mapToPk: true,
    fieldName: 'changed_by',
    nullable: true,
    updateRule: 'cascade',
    deleteRule: 'set null',
  })
  changedBy: string | null = null;

  /** Optimistic lock: of two concurrent promotions, one fails. */
  @Property({ type: 'integer', version: true })
  revision: Opt<number> = 1;

  /** SHA-256 of the canary that stopped: the same file does not run as a canary again. */
  @Property({ length: 64, nullable: true })
  stoppedCanaryDigest: string | null = null;

  @Property({ length: 1000, nullable: true })
  stoppedCanaryReason: string | null = null;

  /** SHA-256 of the canary whose share `canaryPercent` is. */
  @Property({ length: 64, nullable: true })
  canaryDigest: string | null = null;

  /** The share in percent that the steps of the canary have reached; null for the first step. */
  @Property({ type: 'double', nullable: true })
  canaryPercent: number | null = null;

  /** Time of the last step, stop or restart of a canary. */
  @Property({ type: 'timestamptz', length: 3, nullable: true })
  canaryChangedAt: Date | null = null;

  /** How often stopped canaries were restarted: evidence and stops from before a restart have no effect after it. */
  @Property({ type: 'integer', default: 0 })
  canaryRestarts: Opt<number> = 0;
}

/** What all replicas know of the canary of a model. */
@Entity({ tableName: 'canary_evidence' })
export class StoredCanaryEvidence {
  @PrimaryKey({ length: 100 })
  model!: string;

  /** `Canary.key`: evidence of another canary, version, limit or start is replaced. */
  @Property({ length: 64 })
  key!: string;

  @Property({ type: 'jsonb', nullable: true })
  evidence: unknown = null;

  @Property({ type: 'timestamptz', length: 3 })
  updatedAt!: Date;
}

@ObjectType({ simpleResolvers: true, description: 'A promotion that was cleared, and the model that it belonged to.' })
export class ClearDeploymentPayload {
  @Field(() => Int, {
    nullable: true,
    description: 'The version that was promoted; null if none was, and nothing changed.',
  })
  clearedVersion!: number | null;

  @Field(() => [Int], { description: 'The earlier versions that rollbackModel could have returned to.' })
  clearedEarlierVersions!: readonly number[];

  @Field(() => Model, { description: 'The model, with the version of its manifest as the current one.' })
  model!: ModelView;
}

declare module '../../database/tables.js' {
  interface Tables {
    model_deployment: Columns<ModelDeployment>;
    canary_evidence: Columns<StoredCanaryEvidence>;
  }
}
