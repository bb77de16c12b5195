import { Entity, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import type { Columns } from '../../../database/tables.js';
import { User } from '../user.entity.js';

/** The authenticator app of a user. */
@Entity({ tableName: 'totp_factor' })
export class TotpFactor {
  @ManyToOne(() => User, {
    primary: true,
    mapToPk: true,
    fieldName: 'user_id',
    updateRule: 'cascade',
    deleteRule: 'cascade',
  })
  userId!: string;

  /** Encrypted; null until a code has confirmed the setup. */
  @Property({ type: 'text', nullable: true, hidden: true })
  secret!: string | null;

  /** When a code confirmed the secret. */
  @Property({ type: 'timestamptz', length: 3, nullable: true })
  enabledAt!: Date | null;

  /** The 30-second step, counted since 1970, of the last accepted code: a code is valid once. */
  @Property({ type: 'integer', nullable: true })
  lastStep!: number | null;

  /** The encrypted secret of a setup that no code has confirmed yet. */
  @Property({ type: 'text', nullable: true, hidden: true })
  pendingSecret!: string | null;

  @Property({ type: 'timestamptz', length: 3, nullable: true })
  pendingSince!: Date | null;
}

/** A code for the loss of the authenticator app. Deleted when used. */
@Entity({ tableName: 'recovery_code' })
export class RecoveryCode {
  @ManyToOne(() => User, {
    primary: true,
    mapToPk: true,
    fieldName: 'user_id',
    updateRule: 'cascade',
    deleteRule: 'cascade',
  })
  userId!: string;

  @PrimaryKey({ length: 64 })
  codeHash!: string;
}

declare module '../../../database/tables.js' {
  interface Tables {
    totp_factor: Columns<TotpFactor>;
    recovery_code: Columns<RecoveryCode>;
  }
}
