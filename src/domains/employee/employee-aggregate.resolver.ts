import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, Extensions, FieldResolver, Info, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../graphql/context/context.js';
import { aggregateLimits, type AggregateRow } from '../../graphql/filtering/aggregate-types.js';
import { aggregateRows, readAggregateQuery, selectedAggregations } from '../../graphql/filtering/aggregate.js';
import type { IndexGuard } from '../../graphql/filtering/index-guard.js';
import { decodeId } from '../../graphql/relay/global-id.js';
import { CacheHint } from '../../graphql/schema/cache-control.js';
import { Department } from './department.entity.js';
import { employeeColumns } from './employee.columns.js';
import { employeeCondition } from './employee.filter.js';
import { departmentById } from './employee.loaders.js';
import {
  EmployeeAggregate,
  EmployeeFilter,
  EmployeeGroupBy,
  EmployeeGroupKey,
  type DepartmentRow,
} from './employee.types.js';

const aggregations = selectedAggregations(employeeColumns);

@Resolver(() => EmployeeAggregate)
export class EmployeeAggregateResolver {
  constructor(readonly indexes: Pick<IndexGuard, 'check'>) {}

  // A group costs as much as an object: aggregates read many rows for few objects.
  @Extensions({ listSize: aggregateLimits.groups })
  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => [EmployeeAggregate], {
    description:
      'Counts and aggregates employees: one group of all that match the filter, or a group for each key of `groupBy`, in the order of the keys. ' +
      `At most ${aggregateLimits.groups} groups. Large tables need a filter on an indexed column, as EmployeeFilter says.`,
  })
  async employeesAggregate(
    @Arg('filter', () => EmployeeFilter, { nullable: true, description: 'Conditions; all employees if absent.' })
    filter: EmployeeFilter | null,
    @Arg('groupBy', () => [EmployeeGroupBy], {
      nullable: true,
      description: `What makes a group; at most ${aggregateLimits.groupColumns}.`,
    })
    groupBy: string[] | null,
    @Ctx() { db, viewer }: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<AggregateRow[]> {
    const query = readAggregateQuery(employeeColumns, groupBy ?? [], aggregations(info), viewer);
    const condition = employeeCondition(filter, viewer);
    await this.indexes.check(employeeColumns, condition, null);
    return aggregateRows(db, employeeColumns, condition, query);
  }
}

@Resolver(() => EmployeeGroupKey)
export class EmployeeGroupKeyResolver {
  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => Department, { nullable: true, description: 'The department of `departmentId`.' })
  department(
    @Root() { departmentId }: { departmentId?: string | null },
    @Ctx() context: Context,
  ): Promise<DepartmentRow | null> | null {
    return departmentId == null ? null : context.load(departmentById).load(decodeId('department', departmentId));
  }
}
