import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { Field, Int, ObjectType, registerEnumType } from 'type-graphql';
import { AuditAction, AuditOutcome, type AuditCredential, type AuditValues } from '../../audit/audit-event.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/relay/node.js';
import { JSONObject } from '../../graphql/schema/json-object.js';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';

registerEnumType(AuditAction, {
  name: 'AuditAction',
  description: 'What the audit log records.',
  valuesConfig: {
    PROVIDER_SIGN_IN: { description: 'A sign-in with the identity provider.' },
    PROVIDER_REGISTRATION: { description: 'A new account, created by a sign-in with the identity provider.' },
    IDENTITY_LINK: { description: 'A link between a user and an identity of the identity provider, or its removal.' },
    SIGN_OUT: { description: 'A user signed out.' },
    PASSWORD_CHANGE: { description: 'A new password; it ends the other sessions.' },
    REAUTHENTICATION: { description: 'A failed proof of the password or a code in an open session.' },
    TOKEN_REUSE: { description: 'A refresh token was used twice, which ended its session.' },
    SESSION_END: { description: 'A session was ended by ID.' },
    API_KEY_CREATE: { description: 'A new API key.' },
    API_KEY_REVOKE: { description: 'An API key was revoked.' },
    USER_ROLE_CHANGE: { description: 'A user got another role.' },
    USER_ACTIVATION_CHANGE: { description: 'A user was activated or deactivated.' },
    USER_EMPLOYEE_CHANGE: { description: 'A user was linked to another employee record, or to none.' },
    SALARY_CHANGE: {
      description: 'A salary was set or changed, or deleted with its employee. Not in log lines: the amounts.',
    },
    MODEL_PROMOTE: { description: 'A version of a model was promoted.' },
    MODEL_ROLLBACK: { description: 'A promotion was rolled back.' },
    MODEL_DEPLOYMENT_CLEAR: { description: 'A promotion was cleared.' },
    MODEL_CANARY_STEP: { description: 'The share of a canary grew, after enough calls without evidence against it.' },
    MODEL_CANARY_STOP: {
      description: 'A canary stopped, because it was worse than the current version or its limits.',
    },
    MODEL_CANARY_RESTART: { description: 'A canary was started again.' },
    DOCUMENTS_PUBLISH: { description: 'A client release was published.' },
    DOCUMENTS_RETIRE: { description: 'A client release was retired.' },
    ACCESS: { description: 'A root field was rejected with FORBIDDEN.' },
    REGISTRATION: { description: 'A new account, which is signed in, or confirmed by a link.' },
    INVITATION: { description: 'A new account, whose user gets a link to choose a password.' },
    PASSWORD_RESET_REQUEST: { description: 'A link to choose a new password.' },
    PASSWORD_RESET: { description: 'A password that was set by a link.' },
    SIGN_IN: { description: 'A sign-in with e-mail address and password, and with a code if the account uses MFA.' },
    MFA_SETUP: { description: 'A new authenticator app, which ends the other sessions of the account.' },
    MFA_REMOVAL: { description: 'MFA was removed by its user.' },
    MFA_RESET: { description: 'MFA of a user was removed by an ADMIN.' },
    RECOVERY_CODES: { description: 'New recovery codes.' },
    ROW_CREATE: { description: 'A new row of an existing table. With the names of its fields, without values.' },
    ROW_UPDATE: {
      description: 'A change of a row of an existing table. With the names of the fields, without values.',
    },
    ROW_DELETE: { description: 'A deleted row of an existing table.' },
    RETENTION: { description: 'Events older than AUDIT_RETENTION_DAYS were deleted.' },
  },
});

registerEnumType(AuditOutcome, {
  name: 'AuditOutcome',
  description: 'How a recorded action ended.',
  valuesConfig: {
    SUCCESS: { description: 'The change was made.' },
    FAILURE: { description: 'The caller did not prove an identity.' },
    REJECTED: { description: 'The caller lacked a permission.' },
  },
});

/** An event of the audit log. Written by `AuditLog` alone; triggers reject changes. */
@ObjectType('AuditEvent', {
  simpleResolvers: true,
  implements: Node,
  description: 'An event of the audit log: who did what, from where, and how it ended.',
})
@Entity({ tableName: 'audit_event' })
@Index({ properties: ['at', 'id'] })
@Index({ properties: ['actorId', 'at'] })
@Index({ properties: ['target', 'at'] })
export class AuditEventRecord {
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @Field(() => GraphQLDateTime, { description: 'Time of the event.' })
  @Property({ type: 'timestamptz', length: 3 })
  at!: Date;

  @Field(() => AuditAction, { description: 'What was done.' })
  @Property({ type: 'string', length: 60 })
  action!: AuditAction;

  @Field(() => AuditOutcome, { description: 'How it ended.' })
  @Property({ type: 'string', length: 10 })
  outcome!: AuditOutcome;

  @Field(() => String, {
    nullable: true,
    description: 'The error code that the caller received; null if there was none.',
  })
  @Property({ type: 'string', length: 60, nullable: true })
  code!: string | null;

  @Field(() => Int, {
    description: 'The number of attempts: 1, or more if the event summarizes attempts of a network.',
  })
  @Property({ type: 'integer' })
  count!: number;

  @Property({ type: 'uuid', nullable: true })
  actorId!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The e-mail address that the caller claimed to have; null unless it is an attempt to sign in.',
  })
  @Property({ type: 'string', length: 254, nullable: true })
  account!: string | null;

  @Property({ type: 'string', length: 10, nullable: true })
  credentialKind!: AuditCredential['kind'] | null;

  @Property({ type: 'uuid', nullable: true })
  credentialId!: string | null;

  @Field(() => String, { nullable: true, description: 'The address of the caller, or its network in a summary.' })
  @Property({ type: 'string', length: 45, nullable: true })
  address!: string | null;

  @Field(() => String, { nullable: true, description: 'The client, as it named itself; null if it did not.' })
  @Property({ type: 'string', length: 300, nullable: true })
  client!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The global ID of what was changed, or the field that was called: Mutation.setUserRole.',
  })
  @Property({ type: 'string', length: 300, nullable: true })
  target!: string | null;

  @Field(() => JSONObject, { nullable: true, description: 'The changed values before; null if there were none.' })
  @Property({ type: 'json', columnType: 'json', nullable: true })
  before!: AuditValues | null;

  @Field(() => JSONObject, { nullable: true, description: 'The changed values afterwards; null if there are none.' })
  @Property({ type: 'json', columnType: 'json', nullable: true })
  after!: AuditValues | null;

  @Field(() => String, { nullable: true, description: 'The ID of the request, as in log lines.' })
  @Property({ type: 'string', length: 100, nullable: true })
  requestId!: string | null;
}

/** A link of the hash chain over the events, in the order of their commits. Written by a trigger. */
@Entity({ tableName: 'audit_chain' })
export class AuditChainLink {
  /** Counted from 1, without gaps. */
  @PrimaryKey({ type: 'bigint', autoincrement: false })
  position!: string;

  @Property({ type: 'uuid', unique: true })
  eventId!: string;

  /** SHA-256 in hex of the hash before, the position and the columns of the event. */
  @Property({ type: 'string', length: 64 })
  hash!: string;
}

declare module '../../database/tables.js' {
  interface Tables {
    audit_event: Columns<AuditEventRecord>;
    audit_chain: Columns<AuditChainLink>;
  }
}
