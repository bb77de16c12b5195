import { Entity, Enum, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import type { Columns } from '../../database/tables.js';
import { User } from '../user/user.entity.js';

/** Where the result comes from. */
export enum PredictionSource {
  MODEL = 'MODEL',
  CACHE = 'CACHE',
  STALE = 'STALE',
}

/** A recorded prediction. Written in batches, never updated. */
@Entity({ tableName: 'prediction' })
@Index({ properties: ['userId', 'id'] })
@Index({ properties: ['model', 'id'] })
@Index({ properties: ['model', 'version', 'id'] })
@Index({ properties: ['id'], where: `source = 'STALE'`, name: 'prediction_stale_index' }) // stale results are few among many
@Index({ properties: ['createdAt'] })
export class PredictionRecord {
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @ManyToOne(() => User, {
    mapToPk: true,
    fieldName: 'user_id',
    nullable: true,
    updateRule: 'cascade',
    deleteRule: 'set null',
  })
  userId!: string | null;

  @Property({ length: 100 })
  model!: string;

  @Property({ type: 'integer' })
  version!: number;

  @Property({ length: 64 })
  digest!: string;

  @Property({ type: 'jsonb' })
  input!: Record<string, unknown>;

  @Property({ type: 'jsonb' })
  output!: Record<string, unknown>;

  /** Units of numeric outputs at the time of the call; null if none had one, or in rows of releases that did not store them. */
  @Property({ type: 'jsonb', nullable: true })
  units!: Record<string, string> | null;

  /** Identifies the signature at the time of the call; null in rows of releases that did not store it. */
  @Property({ length: 32, nullable: true })
  signatureDigest!: string | null;

  @Enum({ items: () => PredictionSource, nativeEnumName: 'prediction_source' })
  source!: PredictionSource;

  @Property({ type: 'double', default: 0 })
  ageSeconds!: number;

  @Property({ type: 'double' })
  durationMs!: number;

  @Property({ type: 'timestamptz', length: 3 })
  createdAt!: Date;
}

declare module '../../database/tables.js' {
  interface Tables {
    prediction: Columns<PredictionRecord>;
  }
}
