import type { Opt } from '@mikro-orm/core';
import { Entity, Enum, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { Field, ObjectType, registerEnumType } from 'type-graphql';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';
import { Role } from '../../auth/viewer.js';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/relay/node.js';
import { Employee } from '../employee/employee.entity.js';

registerEnumType(Role, {
  name: 'Role',
  description: 'The role of a user.',
  valuesConfig: {
    ADMIN: { description: 'Full access.' },
    MANAGER: {
      description:
        'Reads salaries of, and updates, employees of the same department and all direct and indirect reports.',
    },
    USER: { description: 'Reads employees without salaries, runs predictions and reads their own.' },
  },
});

@ObjectType({ simpleResolvers: true, implements: Node, description: 'A user account.' })
@Entity({ tableName: 'user_account' })
@Index({ properties: ['createdAt', 'id'] })
export class User extends BaseEntity {
  @Field({ description: 'E-mail address for sign-in, in lower case; unique.' })
  @Property({ length: 254, unique: true })
  email!: string;

  @Property({ length: 60, hidden: true, lazy: true })
  passwordHash!: string;

  @Field(() => Role, {
    description:
      'The role. A change takes effect immediately; earlier access tokens are rejected until they are refreshed.',
  })
  @Enum({ items: () => Role, nativeEnumName: 'user_role' })
  role!: Role;

  @Field({ description: 'Whether the user may sign in. Deactivation ends all sessions and API keys of the user.' })
  @Property({ default: true })
  isActive!: boolean;

  @ManyToOne(() => Employee, {
    mapToPk: true,
    fieldName: 'employee_id',
    nullable: true,
    unique: true,
    updateRule: 'cascade',
    deleteRule: 'set null',
  })
  employeeId!: string | null;

  @Field(() => GraphQLDateTime, { description: 'Creation time.' })
  declare createdAt: Opt<Date>;
}

declare module '../../database/tables.js' {
  interface Tables {
    user_account: Columns<User>;
  }
}
