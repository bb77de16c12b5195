import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, FieldResolver, ID, Info, Int, Resolver, Root, Subscription } from 'type-graphql';
import type { Context } from '../../graphql/context/context.js';
import type { EventSources } from '../../graphql/subscriptions/event-sources.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { openedBySources } from '../../graphql/subscriptions/event-sources.js';
import { Department } from './department.entity.js';
import { Employee } from './employee.entity.js';
import type { EmployeeChanges } from './employee.events.js';
import { departmentById, employeeById } from './employee.loaders.js';
import { everyRow } from '../../graphql/filtering/condition.js';
import { countEmployees } from './employee.queries.js';
import {
  DeleteEmployeePayload,
  EmployeeChange,
  EmployeeFilter,
  type DeletedEmployee,
  type DepartmentRow,
  type EmployeeChangeEvent,
  type EmployeeRow,
} from './employee.types.js';

@Resolver(() => EmployeeChange)
export class EmployeeChangeResolver implements EventSources {
  readonly sources: EventSources['sources'];

  constructor(changes: EmployeeChanges) {
    this.sources = { employeeChanged: ({ filter }) => changes.open(filter ?? {}) };
  }

  @Subscription(() => EmployeeChange, {
    ...openedBySources,
    description: 'Changes of employees that match the filter before or after the change.',
  })
  employeeChanged(
    @Root() change: EmployeeChangeEvent,
    @Arg('filter', () => EmployeeFilter, { nullable: true, description: 'Conditions; all employees if absent.' })
    _filter: EmployeeFilter | null,
  ): EmployeeChangeEvent {
    return change;
  }

  @FieldResolver(() => ID, { description: 'ID of the employee, also after a deletion.' })
  employeeId(@Root() change: EmployeeChangeEvent): string {
    return encodeId('employee', change.id);
  }
}

@Resolver(() => DeleteEmployeePayload)
export class DeleteEmployeePayloadResolver {
  @FieldResolver(() => Department, {
    nullable: true,
    description: 'The department of the employee, with one employee less.',
  })
  department(@Root() { departmentId }: DeletedEmployee, @Ctx() context: Context): Promise<DepartmentRow | null> {
    return context.load(departmentById).load(departmentId);
  }

  @FieldResolver(() => Employee, {
    nullable: true,
    description: 'The manager of the employee, with one direct report less; null if there was none.',
  })
  manager(
    @Root() { managerId }: DeletedEmployee,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<EmployeeRow | null> | null {
    return managerId === null ? null : context.load(employeeById.selectedBy(info)).load(managerId);
  }

  @FieldResolver(() => Int, { description: 'Number of employees that remain.' })
  remainingCount(@Root() _deleted: DeletedEmployee, @Ctx() { db }: Context): Promise<number> {
    return countEmployees(db, everyRow);
  }
}
