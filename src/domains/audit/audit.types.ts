import { Field, ID, InputType } from 'type-graphql';
import { AuditAction, AuditOutcome } from '../../audit/audit-event.js';
import type { RowOf } from '../../database/rows.js';
import { connectionType } from '../../graphql/relay/connection.js';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import { AuditEventRecord } from './audit-event.entity.js';

export type AuditEventRow = RowOf<AuditEventRecord>;

export const AuditEventConnection = connectionType<AuditEventRow>(AuditEventRecord, 'AuditEvent');

@InputType({ description: 'Conditions for events, all of which must hold.' })
export class AuditFilter {
  @Field(() => ID, { nullable: true, description: 'Only events of this user.' })
  actorId?: string | null;

  @Field(() => AuditAction, { nullable: true, description: 'Only this action.' })
  action?: AuditAction | null;

  @Field(() => String, { nullable: true, description: 'Only events with exactly this target.' })
  target?: string | null;

  @Field(() => AuditOutcome, { nullable: true, description: 'Only this outcome.' })
  outcome?: AuditOutcome | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'Only events at this time or later.' })
  since?: Date | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'Only events before this time.' })
  until?: Date | null;
}
