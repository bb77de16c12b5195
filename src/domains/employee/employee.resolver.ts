import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { AuditLog } from '../../audit/audit-log.js';
import { sortKeys } from '../../database/keyset.js';
import type { IndexGuard } from '../../graphql/filtering/index-guard.js';
import { maxSortKeys, readOrder } from '../../graphql/filtering/order.js';
import { CacheHint, Invalidates } from '../../graphql/schema/cache-control.js';
import { counting, PageArgs, pageSelection, readPage, type Connection } from '../../graphql/relay/connection.js';
import { ChangeKind } from '../../graphql/subscriptions/event-sources.js';
import type { Context } from '../../graphql/context/context.js';
import { decodeId, encodeId } from '../../graphql/relay/global-id.js';
import { OnForbidden } from '../../graphql/permissions/on-forbidden.js';
import { requireViewer } from '../../graphql/permissions/rules.js';
import { lookAhead } from '../../graphql/context/selection.js';
import { chained } from '../../graphql/execution/promises.js';
import { Reads } from '../../graphql/schema/reads.js';
import { Forbidden, NotFound } from '../../errors/app-error.js';
import { Department } from './department.entity.js';
import { snapshotOf, type EmployeeChanges } from './employee.events.js';
import { Employee } from './employee.entity.js';
import {
  departmentById,
  employeeById,
  employeeWithSelectedRelations,
  reportCountOfManager,
  reportsOfManager,
} from './employee.loaders.js';
import { salaryDenial, updateDenial } from './employee.permissions.js';
import { employeeColumns } from './employee.columns.js';
import { employeeCondition } from './employee.filter.js';
import { countEmployees, employeePage, employeesByName } from './employee.queries.js';
import { changeEmployee, dismiss, hire } from './employee.service.js';
import { selectedEmployee, withProperties } from './employee.shapes.js';
import {
  CreateEmployeeInput,
  DeleteEmployeePayload,
  EmployeeConnection,
  EmployeeFilter,
  EmployeeOrder,
  UpdateEmployeeInput,
  type DeletedEmployee,
  type DepartmentRow,
  type EmployeeRow,
} from './employee.types.js';

/** What an operation reads of the employees of a page. */
const selectedEmployees = lookAhead((connection) => selectedEmployee(connection.at('nodes', 'edges.node')));

@Resolver(() => Employee)
export class EmployeeResolver {
  constructor(
    readonly changes: EmployeeChanges,
    readonly audit: Pick<AuditLog, 'by'>,
    readonly indexes: Pick<IndexGuard, 'check'>,
  ) {}

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => Employee, { nullable: true, description: 'An employee by id; null if unknown.' })
  employee(
    @Arg('id', () => ID, { description: 'ID of the employee.' }) id: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<EmployeeRow | null> {
    return context.load(employeeWithSelectedRelations(info)).load(decodeId('employee', id));
  }

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => EmployeeConnection, {
    description: 'Employees, one page at a time.',
  })
  async employees(
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => EmployeeFilter, { nullable: true, description: 'Conditions; all employees if absent.' })
    filter: EmployeeFilter | null,
    @Arg('orderBy', () => EmployeeOrder, { nullable: true, description: 'Sort order; by name if absent.' })
    orderBy: EmployeeOrder | null,
    @Arg('thenBy', () => [EmployeeOrder], {
      nullable: true,
      description: `Further columns of the order, after orderBy; at most ${maxSortKeys - 1}.`,
    })
    thenBy: EmployeeOrder[] | null,
    @Ctx() { db, viewer }: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<EmployeeRow>> {
    const condition = employeeCondition(filter, viewer);
    const orders = [...(orderBy ? [orderBy] : []), ...(thenBy ?? [])];
    const page = readPage(args, readOrder(employeeColumns, orders, { viewer, byDefault: 'name' }));
    if (filter || orders.length > 0) await this.indexes.check(employeeColumns, condition, page.order);
    const count = counting(info, () => countEmployees(db, condition));
    const { hasRows, hasCursors } = pageSelection(info);
    const selected = selectedEmployees(info);
    const cursorProperties = hasCursors ? sortKeys(page.order).map(({ property }) => property) : [];
    const shape = withProperties(selected, cursorProperties);
    const rows = hasRows ? await employeePage(db, condition, page, shape) : [];
    return new EmployeeConnection({ page, rows, count });
  }

  @Invalidates('Employee')
  @Mutation(() => Employee, { nullable: true, description: 'Creates an employee. ADMIN only.' })
  async createEmployee(
    @Arg('input', () => CreateEmployeeInput, { description: 'The new employee.' }) input: CreateEmployeeInput,
    @Ctx() context: Context,
  ): Promise<Employee> {
    const employee = await hire(context.em, input, this.audit.by(context));
    context.onResponse(() =>
      this.changes.publish({ kind: ChangeKind.CREATED, id: employee.id, before: null, after: snapshotOf(employee) }),
    );
    return employee;
  }

  @Invalidates('Employee')
  @Mutation(() => Employee, {
    nullable: true,
    description:
      'Updates an employee. ADMIN: any. MANAGER: employees of the same department and all direct and indirect reports, except themselves. ' +
      'CONFLICT on a concurrent update.',
  })
  async updateEmployee(
    @Arg('id', () => ID, { description: 'ID of the employee.' }) id: string,
    @Arg('input', () => UpdateEmployeeInput, { description: 'The fields to change; absent fields keep their value.' })
    input: UpdateEmployeeInput,
    @Ctx() context: Context,
  ): Promise<Employee> {
    const employee = await context.load(employeeById.reading(['version'])).load(decodeId('employee', id));
    if (!employee) throw new NotFound('employee', id);
    // Checked before the transaction takes a connection: waiting for a second one would deadlock an exhausted pool.
    const reason = await updateDenial(requireViewer(context), employee, context);
    if (reason) throw new Forbidden(reason);
    const { employee: changed, before } = await changeEmployee(context.em, employee, input, this.audit.by(context));
    if (before)
      context.onResponse(() =>
        this.changes.publish({ kind: ChangeKind.UPDATED, id: changed.id, before, after: snapshotOf(changed) }),
      );
    return changed;
  }

  @Invalidates('Employee', 'User')
  @Mutation(() => DeleteEmployeePayload, {
    nullable: true,
    description: 'Deletes an employee. ADMIN only. CONFLICT while the employee has direct reports.',
  })
  async deleteEmployee(
    @Arg('id', () => ID, { description: 'ID of the employee.' }) id: string,
    @Ctx() context: Context,
  ): Promise<DeletedEmployee> {
    const employeeId = decodeId('employee', id);
    const before = await dismiss(context.em, employeeId, this.audit.by(context));
    context.onResponse(() => this.changes.publish({ kind: ChangeKind.DELETED, id: employeeId, before, after: null }));
    return { ...before, deletedEmployeeId: id };
  }

  @Reads<EmployeeRow>('id')
  @FieldResolver(() => ID, { description: 'Global ID: employee_ and 26 characters.' })
  id(@Root() employee: EmployeeRow): string {
    return encodeId('employee', employee.id);
  }

  @Reads<EmployeeRow>('salary', 'departmentId')
  @FieldResolver(() => Int, {
    nullable: true,
    description:
      "Yearly salary in whole units of the company's currency; null if the viewer may not see it. " +
      'ADMIN sees all salaries; MANAGER those of the same department and of all direct and indirect reports; USER their own.',
  })
  salary(
    @Root() employee: EmployeeRow,
    @Arg('onForbidden', () => OnForbidden, {
      defaultValue: OnForbidden.FAIL,
      description: 'FAIL reports each hidden salary as an error; NULL is for lists.',
    })
    onForbidden: OnForbidden,
    @Ctx() context: Context,
  ): number | null | Promise<number | null> {
    // With FAIL the rule of the field has decided.
    if (onForbidden === OnForbidden.FAIL) return employee.salary;
    return chained(this.canSeeSalary(employee, context), (sees) => (sees ? employee.salary : null));
  }

  @Reads<EmployeeRow>('departmentId')
  @FieldResolver(() => Boolean, { description: 'Whether the viewer may see the salary.' })
  canSeeSalary(@Root() employee: EmployeeRow, @Ctx() context: Context): boolean | Promise<boolean> {
    return chained(salaryDenial(context.viewer, employee, context), (denial) => denial === null);
  }

  @Reads<EmployeeRow>('id')
  @FieldResolver(() => Boolean, { description: 'Whether the viewer may update the employee.' })
  async canUpdate(@Root() employee: EmployeeRow, @Ctx() context: Context): Promise<boolean> {
    const { viewer } = context;
    if (viewer.kind === 'anonymous' || !viewer.scopes.includes('employees:write')) return false;
    return (await updateDenial(viewer, employee, context)) === null;
  }

  @Reads<EmployeeRow>('departmentId')
  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => Department, { description: 'The department of the employee.' })
  department(@Root() employee: EmployeeRow, @Ctx() context: Context): DepartmentRow | Promise<DepartmentRow | null> {
    return employee.department ?? context.load(departmentById).load(employee.departmentId);
  }

  @Reads<EmployeeRow>('managerId')
  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => Employee, {
    nullable: true,
    description: 'The direct manager; null for the head of the company.',
  })
  manager(
    @Root() employee: EmployeeRow,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): EmployeeRow | null | Promise<EmployeeRow | null> {
    if (employee.manager !== undefined) return employee.manager;
    return employee.managerId === null ? null : context.load(employeeById.selectedBy(info)).load(employee.managerId);
  }

  @Reads<EmployeeRow>('id')
  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => EmployeeConnection, { description: 'The direct reports, by name.' })
  async reports(
    @Root() employee: EmployeeRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<EmployeeRow>> {
    const page = readPage(args, employeesByName);
    const count = counting(info, () => context.load(reportCountOfManager).load(employee.id));
    const rows = pageSelection(info).hasRows
      ? await context.load(reportsOfManager.selectedBy(info)).load({ ownerId: employee.id, page })
      : [];
    return new EmployeeConnection({ page, rows, count });
  }
}
