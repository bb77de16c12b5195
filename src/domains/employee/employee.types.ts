import { GraphQLDate } from 'graphql-scalars';
import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { ChangeKind } from '../../graphql/change.js';
import { connectionType } from '../../graphql/connection.js';
import { Employee } from './employee.entity.js';

/** A department as reads give it. */
export interface DepartmentRow {
  id: string;
  name: string;
}

/** An employee as reads give it; relations only where the read joined them. */
export interface EmployeeRow {
  id: string;
  name: string;
  email: string;
  age: number;
  jobTitle: string;
  jobLevel: number;
  hiredOn: string;
  salary: number;
  departmentId: string;
  managerId: string | null;
  version: number;
  createdAt: Date;
  updatedAt: Date;
  department?: DepartmentRow;
  manager?: EmployeeRow | null;
}

/** A change as streams tell it. */
export interface EmployeeChangeEvent {
  kind: ChangeKind;
  id: string;
  employee: EmployeeRow | null;
}

@ObjectType({ simpleResolvers: true, description: 'What became of an employee.' })
export class EmployeeChange {
  @Field(() => ChangeKind, { description: 'What became of the employee.' })
  kind!: ChangeKind;

  @Field(() => Employee, { nullable: true, description: 'The employee as of now; null once deleted.' })
  employee!: EmployeeRow | null;
}

export const EmployeeConnection = connectionType<EmployeeRow>(Employee, 'Employee');

export enum OrderDirection {
  ASC = 'ASC',
  DESC = 'DESC',
}
registerEnumType(OrderDirection, {
  name: 'OrderDirection',
  description: 'Which end comes first.',
  valuesConfig: { ASC: { description: 'The lowest first.' }, DESC: { description: 'The highest first.' } },
});

export enum EmployeeOrderField {
  NAME = 'NAME',
  AGE = 'AGE',
  HIRED_ON = 'HIRED_ON',
  SALARY = 'SALARY',
  CREATED_AT = 'CREATED_AT',
}
registerEnumType(EmployeeOrderField, {
  name: 'EmployeeOrderField',
  description: 'What a list of employees can be ordered by. Equal values are ordered by id, so that pages are stable.',
  valuesConfig: {
    NAME: { description: 'The full name.' },
    AGE: { description: 'The age in years.' },
    HIRED_ON: { description: 'The first day at work.' },
    SALARY: { description: 'The salary; only for who may see every salary.' },
    CREATED_AT: { description: 'When the record was made.' },
  },
});

@InputType({ description: 'Which employees. Conditions are joined by "and"; an absent one asks for nothing.' })
export class EmployeeFilter {
  @Field(() => String, { nullable: true, description: 'Text that the name, the e-mail address or the job title contains, in any case; up to 100 characters.' })
  search?: string | null;

  @Field(() => ID, { nullable: true, description: 'Members of this department.' })
  departmentId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Direct reports of this employee.' })
  managerId?: string | null;

  @Field(() => Int, { nullable: true, description: 'This age or more, in years.' })
  minAge?: number | null;

  @Field(() => Int, { nullable: true, description: 'This age or less, in years.' })
  maxAge?: number | null;

  @Field(() => GraphQLDate, { nullable: true, description: 'Hired on this day or later.' })
  hiredAfter?: Date | null;

  @Field(() => GraphQLDate, { nullable: true, description: 'Hired on this day or earlier.' })
  hiredBefore?: Date | null;
}

@InputType({ description: 'The order of a list of employees.' })
export class EmployeeOrder {
  @Field(() => EmployeeOrderField, { description: 'What to order by.' })
  field!: EmployeeOrderField;

  @Field(() => OrderDirection, { defaultValue: OrderDirection.ASC, description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'A new employee.' })
export class CreateEmployeeInput {
  @Field({ description: 'Full name, up to 100 characters.' })
  name!: string;

  @Field({ description: 'Work e-mail address; no two employees share one. Stored in lower case.' })
  email!: string;

  @Field(() => Int, { description: 'Age in years, 16 to 100.' })
  age!: number;

  @Field({ description: 'What the job is called, up to 100 characters.' })
  jobTitle!: string;

  @Field(() => Int, { description: 'Seniority, 1 (entry) to 5 (executive).' })
  jobLevel!: number;

  @Field(() => GraphQLDate, { description: 'First day at work; a year ahead at the most.' })
  hiredOn!: Date;

  @Field(() => Int, { description: "Yearly salary in whole units of the company's currency, 0 or more." })
  salary!: number;

  @Field(() => ID, { description: 'The department.' })
  departmentId!: string;

  @Field(() => ID, { nullable: true, description: 'The manager; null for the head of the company.' })
  managerId?: string | null;
}

@InputType({ description: 'A change of an employee. An absent field stays as it is; null is allowed only for managerId.' })
export class UpdateEmployeeInput implements Partial<Record<keyof CreateEmployeeInput, unknown>> {
  @Field(() => String, { nullable: true, description: 'Full name, up to 100 characters.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Work e-mail address; no two employees share one.' })
  email?: string | null;

  @Field(() => Int, { nullable: true, description: 'Age in years, 16 to 100.' })
  age?: number | null;

  @Field(() => String, { nullable: true, description: 'What the job is called, up to 100 characters.' })
  jobTitle?: string | null;

  @Field(() => Int, { nullable: true, description: 'Seniority, 1 (entry) to 5 (executive).' })
  jobLevel?: number | null;

  @Field(() => GraphQLDate, { nullable: true, description: 'First day at work; a year ahead at the most.' })
  hiredOn?: Date | null;

  @Field(() => Int, { nullable: true, description: "Yearly salary in whole units of the company's currency, 0 or more." })
  salary?: number | null;

  @Field(() => ID, { nullable: true, description: 'The department.' })
  departmentId?: string | null;

  @Field(() => ID, { nullable: true, description: 'The manager; null for none. An employee cannot report to themself, directly or through others.' })
  managerId?: string | null;

  @Field(() => Int, { nullable: true, description: 'The version that the change is meant for; refused with CONFLICT where the employee has changed since.' })
  expectedVersion?: number | null;
}
