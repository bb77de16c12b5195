import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { CacheHint, Invalidates } from '../../graphql/cache-hint.js';
import { counting, ForwardPageArgs, PageArgs, readPage, type Connection } from '../../graphql/connection.js';
import { ChangeKind } from '../../graphql/change.js';
import type { Context } from '../../graphql/context.js';
import { decodeId, encodeId } from '../../graphql/id.js';
import { knownViewer } from '../../graphql/permissions.js';
import { selects } from '../../graphql/selection.js';
import { Forbidden, NotFound } from '../../shared/errors.js';
import { Department } from './department.entity.js';
import { snapshotOf, type EmployeeChanges } from './employee.changes.js';
import { Employee } from './employee.entity.js';
import { departmentById, employeeById, reportCountOfManager, reportsOfManager } from './employee.loaders.js';
import { whyNotUpdate } from './employee.permissions.js';
import { countEmployees, employeeOrder, employeePage } from './employee.queries.js';
import { changeEmployee, dismiss, hire } from './employee.service.js';
import {
  CreateEmployeeInput,
  EmployeeConnection,
  EmployeeFilter,
  EmployeeOrder,
  UpdateEmployeeInput,
  type DepartmentRow,
  type EmployeeRow,
} from './employee.types.js';

@Resolver(() => Employee)
export class EmployeeResolver {
  constructor(readonly changes: EmployeeChanges) {}

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => Employee, { nullable: true, description: 'An employee by id; null if unknown.' })
  employee(@Arg('id', () => ID, { description: 'The id of the employee.' }) id: string, @Ctx() context: Context): Promise<EmployeeRow | null> {
    return context.load(employeeById).load(decodeId('employee', id));
  }

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => EmployeeConnection, { description: 'Employees: filtered, ordered (by name if nothing is said) and in pages.' })
  async employees(
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => EmployeeFilter, { nullable: true, description: 'Which employees; all if absent.' }) filter: EmployeeFilter | null,
    @Arg('orderBy', () => EmployeeOrder, { nullable: true, description: 'The order; by name if absent.' }) orderBy: EmployeeOrder | null,
    @Ctx() { db }: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<EmployeeRow>> {
    const page = readPage(args, employeeOrder(orderBy));
    const count = counting(info, () => countEmployees(db, filter ?? {}));
    const rows = await employeePage(db, filter ?? {}, page, {
      department: selects(info, 'nodes|edges.node', 'department'),
      manager: selects(info, 'nodes|edges.node', 'manager'),
      managersDepartment: selects(info, 'nodes|edges.node', 'manager', 'department'),
    });
    return new EmployeeConnection({ page, rows, count });
  }

  @Invalidates('Employee')
  @Mutation(() => Employee, { description: 'Hires someone. ADMIN only.' })
  async createEmployee(
    @Arg('input', () => CreateEmployeeInput, { description: 'Who is hired.' }) input: CreateEmployeeInput,
    @Ctx() context: Context,
  ): Promise<Employee> {
    const employee = await hire(context.em, input);
    context.afterwards(() => this.changes.tell({ kind: ChangeKind.CREATED, id: employee.id, before: null, after: snapshotOf(employee) }));
    return employee;
  }

  @Invalidates('Employee')
  @Mutation(() => Employee, {
    description:
      'Changes an employee. ADMIN: anyone. MANAGER: members of the own department and all direct and indirect reports, not the own record. ' +
      'CONFLICT where someone else changed the employee at the same time.',
  })
  async updateEmployee(
    @Arg('id', () => ID, { description: 'Who changes.' }) id: string,
    @Arg('input', () => UpdateEmployeeInput, { description: 'What changes; the rest stays.' }) input: UpdateEmployeeInput,
    @Ctx() context: Context,
  ): Promise<Employee> {
    const employee = await context.load(employeeById).load(decodeId('employee', id));
    if (!employee) throw new NotFound('employee', id);
    // Before the change holds a connection: were each to wait for a second one, a full pool would stand still.
    const reason = await whyNotUpdate(knownViewer(context), employee, input, context);
    if (reason) throw new Forbidden(reason);
    const { employee: changed, before } = await changeEmployee(context.em, employee, input);
    if (before) context.afterwards(() => this.changes.tell({ kind: ChangeKind.UPDATED, id: changed.id, before, after: snapshotOf(changed) }));
    return changed;
  }

  @Invalidates('Employee', 'User')
  @Mutation(() => ID, { description: 'Removes an employee and answers its id. ADMIN only. CONFLICT while the employee manages others.' })
  async deleteEmployee(@Arg('id', () => ID, { description: 'Who leaves.' }) id: string, @Ctx() context: Context): Promise<string> {
    const employeeId = decodeId('employee', id);
    const before = await dismiss(context.em, employeeId);
    context.afterwards(() => this.changes.tell({ kind: ChangeKind.DELETED, id: employeeId, before, after: null }));
    return id;
  }

  @FieldResolver(() => ID, { description: 'The id: employee_ and 26 characters.' })
  id(@Root() employee: EmployeeRow): string {
    return encodeId('employee', employee.id);
  }

  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => Department, { description: 'The department that the employee belongs to.' })
  department(@Root() employee: EmployeeRow, @Ctx() context: Context): DepartmentRow | Promise<DepartmentRow | null> {
    return employee.department ?? context.load(departmentById).load(employee.departmentId);
  }

  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => Employee, { nullable: true, description: 'To whom the employee reports; null for the head of the company.' })
  manager(@Root() employee: EmployeeRow, @Ctx() context: Context): EmployeeRow | null | Promise<EmployeeRow | null> {
    if (employee.manager !== undefined) return employee.manager;
    return employee.managerId === null ? null : context.load(employeeById).load(employee.managerId);
  }

  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => EmployeeConnection, { description: 'Who reports directly to the employee, by name.' })
  async reports(
    @Root() employee: EmployeeRow,
    @Args(() => ForwardPageArgs) args: ForwardPageArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<EmployeeRow>> {
    const page = readPage(args, employeeOrder());
    const count = counting(info, () => context.load(reportCountOfManager).load(employee.id));
    const rows = await context.load(reportsOfManager).load({ ownerId: employee.id, page });
    return new EmployeeConnection({ page, rows, count });
  }
}
