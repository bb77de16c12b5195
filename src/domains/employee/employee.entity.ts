import type { Opt } from '@mikro-orm/core';
import { Check, Entity, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { GraphQLDate, GraphQLDateTime } from 'graphql-scalars';
import { Field, Int, ObjectType } from 'type-graphql';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/node.js';
import { Department } from './department.entity.js';

/**
 * All that a search looks through, as one text, so that one index serves it. A search is compared with this very expression:
 * the planner knows the index by it.
 */
export const searchedText = `employee.name || E'\\n' || employee.email || E'\\n' || employee.job_title`;

/** Trigrams of that text, by the extension pg_trgm. Where the database lacks it the index is not there, and searches read the table. */
export const searchIndex = {
  name: 'employee_search_index',
  sql: `create index concurrently "employee_search_index" on "employee" using gin ((${searchedText}) gin_trgm_ops)`,
};

@ObjectType({ simpleResolvers: true, implements: Node, description: 'A person who works for the company.' })
@Entity({ tableName: 'employee' })
@Index({ properties: ['name', 'id'] })
@Index({ properties: ['age', 'id'] })
@Index({ properties: ['hiredOn', 'id'] })
@Index({ properties: ['salary', 'id'] })
@Index({ properties: ['createdAt', 'id'] })
@Index({ properties: ['departmentId'] }) // equal values take next to no room: a department's employees are counted in a tenth of the pages
@Index({ properties: ['departmentId', 'name', 'id'] })
@Index({ properties: ['departmentId', 'age', 'id'] })
@Index({ properties: ['departmentId', 'hiredOn', 'id'] })
@Index({ properties: ['departmentId', 'salary', 'id'] })
@Index({ properties: ['departmentId', 'createdAt', 'id'] })
@Index({ properties: ['managerId', 'name', 'id'] })
@Index({ name: searchIndex.name, expression: searchIndex.sql })
@Check({ name: 'employee_is_not_own_manager', expression: 'manager_id <> id' })
export class Employee extends BaseEntity {
  @Field({ description: 'Full name, up to 100 characters.' })
  @Property({ length: 100 })
  name!: string;

  @Field({ description: 'Work e-mail address in lower case; no two employees share one.' })
  @Property({ length: 254, unique: true })
  email!: string;

  @Field(() => Int, { description: 'Age in years, 16 to 100.' })
  @Property({ type: 'smallint' })
  age!: number;

  @Field({ description: 'What the job is called.' })
  @Property({ length: 100 })
  jobTitle!: string;

  @Field(() => Int, { description: 'Seniority, 1 (entry) to 5 (executive).' })
  @Property({ type: 'smallint' })
  jobLevel!: number;

  @Field(() => GraphQLDate, { description: 'First day at work.' })
  @Property({ type: 'date' })
  hiredOn!: string;

  @Field(() => Int, {
    nullable: true,
    description:
      "Yearly salary in whole units of the company's currency. Null with a FORBIDDEN error for a viewer who may not see it: " +
      'an ADMIN sees all, a MANAGER the own department and all direct and indirect reports, a USER the own.',
  })
  @Property({ type: 'integer' })
  salary!: number;

  @ManyToOne(() => Department, { mapToPk: true, fieldName: 'department_id', updateRule: 'cascade', deleteRule: 'restrict' })
  departmentId!: string;

  @ManyToOne(() => Employee, { mapToPk: true, fieldName: 'manager_id', nullable: true, updateRule: 'cascade', deleteRule: 'restrict' })
  managerId!: string | null;

  @Field(() => Int, { description: 'Counts the changes of this employee. Send it back as `expectedVersion` to change only what you have read.' })
  @Property({ type: 'integer', version: true })
  version: Opt<number> = 1;

  @Field(() => GraphQLDateTime, { description: 'When the record was made.' })
  declare createdAt: Opt<Date>;

  @Field(() => GraphQLDateTime, { description: 'When the record was last changed.' })
  declare updatedAt: Opt<Date>;
}

declare module '../../database/tables.js' {
  interface Tables {
    employee: Columns<Employee>;
  }
}
