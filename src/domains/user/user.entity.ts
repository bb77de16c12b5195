import type { Opt } from '@mikro-orm/core';
import { Entity, Enum, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ObjectType, registerEnumType } from 'type-graphql';
import { Role } from '../../auth/viewer.js';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/node.js';
import { Employee } from '../employee/employee.entity.js';

registerEnumType(Role, {
  name: 'Role',
  description: 'What a user may do.',
  valuesConfig: {
    ADMIN: { description: 'May do everything.' },
    MANAGER: { description: 'Sees salaries of, and updates, the own department and all direct and indirect reports.' },
    USER: { description: 'Reads employees without their salaries, predicts, and sees the own predictions.' },
  },
});

@ObjectType({ simpleResolvers: true, implements: Node, description: 'An account that signs in.' })
@Entity({ tableName: 'user_account' })
@Index({ properties: ['createdAt', 'id'] })
export class User extends BaseEntity {
  @Field({ description: 'The address that signs in, in lower case; no two users share one.' })
  @Property({ length: 254, unique: true })
  email!: string;

  @Property({ length: 60, hidden: true, lazy: true })
  passwordHash!: string;

  @Field(() => Role, { description: 'What this user may do. A change is felt once the current access token has expired, 15 minutes at the most by default.' })
  @Enum({ items: () => Role, nativeEnumName: 'user_role' })
  role!: Role;

  @Field({ description: 'Whether this user may sign in. Switching off ends every session and API key.' })
  @Property({ default: true })
  isActive!: boolean;

  @ManyToOne(() => Employee, { mapToPk: true, fieldName: 'employee_id', nullable: true, unique: true, updateRule: 'cascade', deleteRule: 'set null' })
  employeeId!: string | null;

  @Field(() => GraphQLDateTime, { description: 'When the account was made.' })
  declare createdAt: Opt<Date>;
}

declare module '../../database/tables.js' {
  interface Tables {
    user_account: Columns<User>;
  }
}
