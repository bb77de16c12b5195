import { z } from 'zod';
import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { GraphQLDate } from '../../graphql/schema/scalars.js';
import { ChangeKind } from '../../graphql/subscriptions/event-sources.js';
import { aggregateTypes } from '../../graphql/filtering/aggregate-types.js';
import { Filters, indexNote } from '../../graphql/filtering/filter-inputs.js';
import { orderFields, orderInput } from '../../graphql/filtering/order.js';
import { connectionType } from '../../graphql/relay/connection.js';
import type { RowOf } from '../../database/rows.js';
import { email, integer, singleLine } from '../../errors/input-validation.js';
import type { Department } from './department.entity.js';
import { employeeColumns } from './employee.columns.js';
import { Employee } from './employee.entity.js';

/** Properties that rows of departments omit. */
export const omittedFromDepartment = ['createdAt', 'updatedAt'] as const;
export type DepartmentRow = RowOf<Department, (typeof omittedFromDepartment)[number]>;

/** An employee; relations are present only if the read joined them. */
export interface EmployeeRow extends RowOf<Employee> {
  department?: DepartmentRow;
  manager?: EmployeeRow | null;
}

/** A change as subscriptions receive it. */
export interface EmployeeChangeEvent {
  kind: ChangeKind;
  id: string;
  employee: EmployeeRow | null;
}

@ObjectType({ simpleResolvers: true, description: 'A change of an employee.' })
export class EmployeeChange {
  @Field(() => ChangeKind, { description: 'The kind of the change.' })
  kind!: ChangeKind;

  @Field(() => Employee, { nullable: true, description: 'The employee after the change; null if deleted.' })
  employee!: EmployeeRow | null;
}

/** A deleted employee, as far as its payload needs it. */
export interface DeletedEmployee {
  departmentId: string;
  managerId: string | null;
  deletedEmployeeId: string;
}

@ObjectType({ simpleResolvers: true, description: 'A deleted employee, with the objects and counts that changed.' })
export class DeleteEmployeePayload {
  @Field(() => ID, { description: 'ID of the deleted employee.' })
  deletedEmployeeId!: string;
}

export const EmployeeConnection = connectionType<EmployeeRow>(Employee, 'Employee');

const EmployeeOrderField = orderFields(employeeColumns);
export const EmployeeOrder = orderInput(employeeColumns, EmployeeOrderField);
export type EmployeeOrder = InstanceType<typeof EmployeeOrder>;

export const {
  Aggregate: EmployeeAggregate,
  GroupBy: EmployeeGroupBy,
  GroupKey: EmployeeGroupKey,
} = aggregateTypes(employeeColumns);

@Filters(employeeColumns)
@InputType({
  description: `Conditions on employees, combined with AND; an absent condition, or null, matches all. ${indexNote(employeeColumns)}`,
})
export class EmployeeFilter {
  @Field(() => String, {
    nullable: true,
    description: 'Case-insensitive substring of the name, e-mail address or job title; up to 100 characters.',
  })
  search?: string | null;

  @Field(() => ID, { nullable: true, description: 'ID of the department.' })
  departmentId?: string | null;

  @Field(() => ID, { nullable: true, description: 'ID of the direct manager.' })
  managerId?: string | null;

  @Field(() => Int, { nullable: true, description: 'Minimum age in years, inclusive.' })
  minAge?: number | null;

  @Field(() => Int, { nullable: true, description: 'Maximum age in years, inclusive.' })
  maxAge?: number | null;

  @Field(() => GraphQLDate, { nullable: true, description: 'First day at work on this date or later.' })
  hiredAfter?: Date | null;

  @Field(() => GraphQLDate, { nullable: true, description: 'First day at work on this date or earlier.' })
  hiredBefore?: Date | null;
}

/** Formats a date as PostgreSQL and the API do: 2026-11-20. */
export const isoDate = (date: Date): string => date.toISOString().slice(0, 10);

const maxInt = 2_147_483_647;

/** The rules for plain fields of CreateEmployeeInput and UpdateEmployeeInput; references are checked against the database. */
export const employeeFields = {
  name: singleLine(100),
  email,
  age: integer(16, 100),
  jobTitle: singleLine(100),
  jobLevel: integer(1, 5),
  hiredOn: z
    .date()
    .refine((day) => day.getTime() >= Date.UTC(1900, 0, 1), 'must be 1900-01-01 or later')
    .refine((day) => day.getTime() <= inOneYear(), 'must not be more than a year ahead')
    .transform(isoDate),
  salary: integer(0, maxInt),
};

function inOneYear(): number {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear() + 1, now.getUTCMonth(), now.getUTCDate());
}

@InputType({ description: 'A new employee.' })
export class CreateEmployeeInput {
  @Field({ description: 'Full name, up to 100 characters.' })
  name!: string;

  @Field({ description: 'Work e-mail address; unique. Stored in lower case.' })
  email!: string;

  @Field(() => Int, { description: 'Age in years, 16 to 100.' })
  age!: number;

  @Field({ description: 'Job title, up to 100 characters.' })
  jobTitle!: string;

  @Field(() => Int, { description: 'Seniority, 1 (entry) to 5 (executive).' })
  jobLevel!: number;

  @Field(() => GraphQLDate, { description: 'First day at work; from 1900-01-01 to one year ahead.' })
  hiredOn!: Date;

  @Field(() => Int, { description: "Yearly salary in whole units of the company's currency, 0 or more." })
  salary!: number;

  @Field(() => ID, { description: 'ID of the department.' })
  departmentId!: string;

  @Field(() => ID, { nullable: true, description: 'ID of the manager; null for the head of the company.' })
  managerId?: string | null;
}

@InputType({
  description:
    'A change of an employee. An absent field stays as it is; null clears managerId and is invalid for the others, which are never empty.',
})
export class UpdateEmployeeInput implements Partial<Record<keyof CreateEmployeeInput, unknown>> {
  @Field(() => String, { nullable: true, description: 'Full name, up to 100 characters.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Work e-mail address; unique. Stored in lower case.' })
  email?: string | null;

  @Field(() => Int, { nullable: true, description: 'Age in years, 16 to 100.' })
  age?: number | null;

  @Field(() => String, { nullable: true, description: 'Job title, up to 100 characters.' })
  jobTitle?: string | null;

  @Field(() => Int, { nullable: true, description: 'Seniority, 1 (entry) to 5 (executive).' })
  jobLevel?: number | null;

  @Field(() => GraphQLDate, { nullable: true, description: 'First day at work; from 1900-01-01 to one year ahead.' })
  hiredOn?: Date | null;

  @Field(() => Int, {
    nullable: true,
    description: "Yearly salary in whole units of the company's currency, 0 or more.",
  })
  salary?: number | null;

  @Field(() => ID, { nullable: true, description: 'ID of the department.' })
  departmentId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'ID of the manager; null for none. The reporting lines must not form a cycle.',
  })
  managerId?: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'The version that the update is based on. CONFLICT if the employee was changed since.',
  })
  expectedVersion?: number | null;
}
