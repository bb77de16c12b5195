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
