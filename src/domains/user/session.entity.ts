import { Entity, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { User } from './user.entity.js';

/** One sign-in on one device. Its refresh token is rotated on use; only hashes are stored. */
@Entity({ tableName: 'session' })
@Index({ properties: ['userId', 'createdAt'] })
export class SessionRecord extends BaseEntity {
  @ManyToOne(() => User, { mapToPk: true, fieldName: 'user_id', updateRule: 'cascade', deleteRule: 'cascade' })
  userId!: string;

  @Property({ length: 64, unique: true })
  refreshTokenHash!: string;

  /** The token before the last rotation. Seen again, it was stolen and the session ends, as with any older one; at once, two tabs may have sent it. */
  @Property({ length: 64, nullable: true, unique: true })
  previousTokenHash!: string | null;

  @Property({ type: 'timestamptz', length: 3 })
  expiresAt!: Date;
}

declare module '../../database/tables.js' {
  interface Tables {
    session: Columns<SessionRecord>;
  }
}
