import type { Opt } from '@mikro-orm/core';
import { Check, Entity, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { Field, Int, ObjectType } from 'type-graphql';
import { GraphQLDate, GraphQLDateTime } from '../../graphql/schema/scalars.js';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { folded, sortCollation } from '../../database/text-comparison.js';
import { Node } from '../../graphql/relay/node.js';
import { Department } from './department.entity.js';

/**
 * All that a search looks through, as one text with folded case, so that one index serves it. A search is compared with this very
 * expression: the planner knows the index by it.
 */
export const searchedTextOf = (table: string): string =>
  folded(String.raw`${table}.name || E'\n' || ${table}.email || E'\n' || ${table}.job_title`);

/** An index of the order by name, within the employees of one owner if there is a column. */
const nameIndex = (owner?: string): { name: string; expression: string } => {
  const columns = [...(owner === undefined ? [] : [`"${owner}"`]), `"name" collate ${sortCollation}`, '"id"'];
  const name = `employee_${owner === undefined ? '' : `${owner}_`}name_id_index`;
  return { name, expression: `create index concurrently "${name}" on "employee" (${columns.join(', ')})` };
};

/** Trigrams of that text, by the extension pg_trgm. Where the database lacks it the index is not there, and searches read the table. */
export const searchIndex = {
  name: 'employee_search_index',
  sql: `create index concurrently "employee_search_index" on "employee" using gin ((${searchedTextOf('employee')}) gin_trgm_ops)`,
};

@ObjectType({ simpleResolvers: true, implements: Node, description: 'An employee of the company.' })
@Entity({ tableName: 'employee' })
@Index(nameIndex())
@Index({ properties: ['age', 'id'] })
@Index({ properties: ['hiredOn', 'id'] })
@Index({ properties: ['salary', 'id'] })
@Index({ properties: ['createdAt', 'id'] })
@Index({ properties: ['departmentId'] }) // equal values take next to no room: a department's employees are counted in a tenth of the pages
@Index(nameIndex('department_id'))
@Index({ properties: ['departmentId', 'age', 'id'] })
@Index({ properties: ['departmentId', 'hiredOn', 'id'] })
@Index({ properties: ['departmentId', 'salary', 'id'] })
@Index({ properties: ['departmentId', 'createdAt', 'id'] })
@Index(nameIndex('manager_id'))
@Index({ name: searchIndex.name, expression: searchIndex.sql })
@Check({ name: 'employee_is_not_own_manager', expression: 'manager_id <> id' })
export class Employee extends BaseEntity {
  @Field({ description: 'Full name, up to 100 characters.' })
  @Property({ length: 100 })
  name!: string;

  @Field({ description: 'Work e-mail address in lower case; unique.' })
  @Property({ length: 254, unique: true })
  email!: string;

  @Field(() => Int, { description: 'Age in years, 16 to 100.' })
  @Property({ type: 'smallint' })
  age!: number;

  @Field({ description: 'Job title, up to 100 characters.' })
  @Property({ length: 100 })
  jobTitle!: string;

  @Field(() => Int, { description: 'Seniority, 1 (entry) to 5 (executive).' })
  @Property({ type: 'smallint' })
  jobLevel!: number;

  @Field(() => GraphQLDate, { description: 'First day at work.' })
  @Property({ type: 'date' })
  hiredOn!: string;

  @Property({ type: 'integer' })
  salary!: number;

  @ManyToOne(() => Department, {
    mapToPk: true,
    fieldName: 'department_id',
    updateRule: 'cascade',
    deleteRule: 'restrict',
  })
  departmentId!: string;

  @ManyToOne(() => Employee, {
    mapToPk: true,
    fieldName: 'manager_id',
    nullable: true,
    updateRule: 'cascade',
    deleteRule: 'restrict',
  })
  managerId!: string | null;

  @Field(() => Int, {
    description:
      'Increases with each change of the employee. Send it as `expectedVersion` to reject an update of a stale copy.',
  })
  @Property({ type: 'integer', version: true })
  version: Opt<number> = 1;

  @Field(() => GraphQLDateTime, { description: 'Creation time.' })
  declare createdAt: Opt<Date>;

  @Field(() => GraphQLDateTime, { description: 'Time of the last change.' })
  declare updatedAt: Opt<Date>;
}

declare module '../../database/tables.js' {
  interface Tables {
    employee: Columns<Employee>;
  }
}
