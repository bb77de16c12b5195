import type { GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, Extensions, FieldResolver, ID, Info, Int, Query, Resolver, Root } from 'type-graphql';
import { CacheHint } from '../../graphql/schema/cache-control.js';
import { counting, PageArgs, readPage, type Connection } from '../../graphql/relay/connection.js';
import type { Context } from '../../graphql/context/context.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { selects } from '../../graphql/context/selection.js';
import { Department } from './department.entity.js';
import { departmentList, employeesOfDepartment, everyDepartment, headcountOfDepartment } from './employee.loaders.js';
import { employeeOrder } from './employee.queries.js';
import { EmployeeConnection, type DepartmentRow, type EmployeeRow } from './employee.types.js';

@Resolver(() => Department)
export class DepartmentResolver {
  @Query(() => [Department], { description: 'All departments, by name.' })
  @Extensions({ listSize: 50 })
  @CacheHint({ maxAge: 60, scope: 'PRIVATE' })
  departments(@Ctx() context: Context): Promise<DepartmentRow[]> {
    return context.load(departmentList).load(everyDepartment);
  }

  @FieldResolver(() => ID, { description: 'Global ID: department_ and 26 characters.' })
  id(@Root() department: DepartmentRow): string {
    return encodeId('department', department.id);
  }

  @CacheHint({ maxAge: 10, of: ['Employee'] })
  @FieldResolver(() => Int, { description: 'Number of employees.' })
  headcount(@Root() department: DepartmentRow, @Ctx() context: Context): Promise<number> {
    return context.load(headcountOfDepartment).load(department.id);
  }

  @CacheHint({ maxAge: 10 })
  @FieldResolver(() => EmployeeConnection, { description: 'The employees of the department, by name.' })
  async employees(
    @Root() department: DepartmentRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<EmployeeRow>> {
    const page = readPage(args, employeeOrder());
    const count = counting(info, () => context.load(headcountOfDepartment).load(department.id));
    const rows = selects(info, 'nodes|edges|pageInfo')
      ? await context.load(employeesOfDepartment).load({ ownerId: department.id, page })
      : [];
    if (selects(info, 'nodes|edges.node', 'department')) for (const row of rows) row.department = department;
    return new EmployeeConnection({ page, rows, count });
  }
}
