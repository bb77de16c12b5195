import { Arg, FieldResolver, ID, Resolver, Root, Subscription } from 'type-graphql';
import type { EventSources } from '../../graphql/domain.js';
import { encodeId } from '../../graphql/id.js';
import { openedBySources } from '../../graphql/schema.js';
import type { EmployeeChanges } from './employee.changes.js';
import { EmployeeChange, EmployeeFilter, type EmployeeChangeEvent } from './employee.types.js';

@Resolver(() => EmployeeChange)
export class EmployeeChangeResolver implements EventSources {
  readonly sources: EventSources['sources'];

  constructor(changes: EmployeeChanges) {
    this.sources = { employeeChanged: ({ filter }) => changes.open(filter ?? {}) };
  }

  @Subscription(() => EmployeeChange, {
    ...openedBySources,
    description: 'Employees that were hired, changed or removed, from now on: those that the filter describes, before the change or after it.',
  })
  employeeChanged(
    @Root() change: EmployeeChangeEvent,
    @Arg('filter', () => EmployeeFilter, { nullable: true, description: 'Which employees; all if absent.' }) _filter: EmployeeFilter | null,
  ): EmployeeChangeEvent {
    return change;
  }

  @FieldResolver(() => ID, { description: 'The id of the employee: employee_ and 26 characters.' })
  id(@Root() change: EmployeeChangeEvent): string {
    return encodeId('employee', change.id);
  }
}
