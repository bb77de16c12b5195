import type { GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, Extensions, FieldResolver, ID, Info, Int, Query, Resolver, Root } from 'type-graphql';
import { CacheHint } from '../../graphql/schema/cache-control.js';
import { counting, PageArgs, pageSelection, readPage, type Connection } from '../../graphql/relay/connection.js';
import type { Context } from '../../graphql/context/context.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { Reads } from '../../graphql/schema/reads.js';
import { Department } from './department.entity.js';
import { departmentList, employeesOfDepartment, everyDepartment, headcountOfDepartment } from './employee.loaders.js';
import { employeesByName } from './employee.queries.js';
import { EmployeeConnection, type DepartmentRow, type EmployeeRow } from './employee.types.js';

@Resolver(() => Department)
export class DepartmentResolver {
  @Query(() => [Department], { description: 'All departments, by name.' })
  @Extensions({ listSize: 50 })
  @CacheHint({ maxAge: 60, scope: 'PRIVATE' })
  departments(@Ctx() context: Context): Promise<DepartmentRow[]> {
    return context.load(departmentList).load(everyDepartment);
  }

  @Reads<DepartmentRow>('id')
  @FieldResolver(() => ID, { description: 'Global ID: department_ and 26 characters.' })
  id(@Root() department: DepartmentRow): string {
    return encodeId('department', department.id);
  }

  @Reads<DepartmentRow>('id')
  @CacheHint({ maxAge: 10, of: ['Employee'] })
  @FieldResolver(() => Int, { description: 'Number of employees.' })
  headcount(@Root() department: DepartmentRow, @Ctx() context: Context): Promise<number> {
    return context.load(headcountOfDepartment).load(department.id);
  }

  @Reads<DepartmentRow>('id', 'name')
  @CacheHint({ maxAge: 10 })
  @FieldResolver(() => EmployeeConnection, { description: 'The employees of the department, by name.' })
  async employees(
    @Root() department: DepartmentRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<EmployeeRow>> {
    const page = readPage(args, employeesByName);
    const count = counting(info, () => context.load(headcountOfDepartment).load(department.id));
    const rows = pageSelection(info).hasRows
      ? await context.load(employeesOfDepartment.selectedBy(info)).load({ ownerId: department.id, page })
      : [];
    // Which of its fields their `department` selects is not known here: all of them are read.
    for (const row of rows) row.department = department;
    return new EmployeeConnection({ page, rows, count });
  }
}
