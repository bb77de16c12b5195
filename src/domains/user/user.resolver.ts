import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, Extensions, FieldResolver, ID, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { AuditLog } from '../../audit/audit-log.js';
import { Role } from '../../auth/viewer.js';
import { sortKeys } from '../../database/keyset.js';
import type { IndexGuard } from '../../graphql/filtering/index-guard.js';
import { maxSortKeys, readOrder } from '../../graphql/filtering/order.js';
import { readFilter } from '../../graphql/filtering/read-filter.js';
import { CacheHint, Invalidates } from '../../graphql/schema/cache-control.js';
import { counting, PageArgs, pageSelection, readPage, type Connection } from '../../graphql/relay/connection.js';
import type { Context } from '../../graphql/context/context.js';
import { decodeId, encodeId } from '../../graphql/relay/global-id.js';
import { lookAhead } from '../../graphql/context/selection.js';
import { requireViewer } from '../../graphql/permissions/rules.js';
import { Reads } from '../../graphql/schema/reads.js';
import type { CredentialChangeWatcher } from './credential-change.watcher.js';
import { Employee } from '../employee/employee.entity.js';
import { employeeById } from '../employee/employee.loaders.js';
import type { EmployeeRow } from '../employee/employee.types.js';
import { ApiKey } from './api-key.entity.js';
import { SessionRecord } from './session.entity.js';
import { userColumns } from './user.columns.js';
import { User } from './user.entity.js';
import { apiKeysByUser, sessionsByUser, userById } from './user.loaders.js';
import { visibleUsers } from './user.nodes.js';
import { countUsers, userPage, userRows } from './user.queries.js';
import { setActive, setEmployee, setRole } from './user.service.js';
import { UserConnection, UserFilter, UserOrder, type ApiKeyRow, type SessionRow, type UserRow } from './user.types.js';

/** What an operation reads of the users of a page. */
const selectedUsers = lookAhead((connection) => {
  const user = connection.at('nodes', 'edges.node');
  return userRows.of(user ? user.reads : []);
});

@Resolver(() => User)
export class UserResolver {
  constructor(
    readonly changes: Pick<CredentialChangeWatcher, 'refresh'>,
    readonly audit: Pick<AuditLog, 'by'>,
    readonly indexes: Pick<IndexGuard, 'check'>,
  ) {}

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => User, { nullable: true, description: 'The signed-in user.' })
  me(@Ctx() context: Context, @Info() info: GraphQLResolveInfo): Promise<UserRow | null> {
    return context.load(userById.selectedBy(info)).load(requireViewer(context).userId);
  }

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => User, {
    nullable: true,
    description: 'A user by id; null if unknown, or if the viewer is neither this user nor an ADMIN.',
  })
  async user(
    @Arg('id', () => ID, { description: 'ID of the user.' }) id: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<UserRow | null> {
    const [user] = await visibleUsers([decodeId('user', id)], context, info);
    return user ?? null;
  }

  @Query(() => UserConnection, { description: 'All users, oldest account first. ADMIN only.' })
  async users(
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => UserFilter, { nullable: true, description: 'Conditions; all users if absent.' })
    filter: UserFilter | null,
    @Arg('orderBy', () => [UserOrder], {
      nullable: true,
      description: `Sort order; oldest account first if absent. At most ${maxSortKeys} columns.`,
    })
    orderBy: UserOrder[] | null,
    @Ctx() { db, viewer }: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<UserRow>> {
    const condition = readFilter(userColumns, filter, { viewer });
    const page = readPage(args, readOrder(userColumns, orderBy ?? [], { viewer, byDefault: 'createdAt' }));
    if (filter || orderBy) await this.indexes.check(userColumns, condition, page.order);
    const count = counting(info, () => countUsers(db, condition));
    const { hasRows, hasCursors } = pageSelection(info);
    const selected = selectedUsers(info);
    const row = hasCursors
      ? userRows.of([...selected.properties, ...sortKeys(page.order).map(({ property }) => property)])
      : selected;
    const rows = hasRows ? await userPage(db, condition, page, row) : [];
    return new UserConnection({ page, rows, count });
  }

  @Invalidates('User')
  @Mutation(() => User, {
    nullable: true,
    description:
      "Changes a user's role. ADMIN only. Takes effect immediately: earlier access tokens of the user are rejected, and a refresh returns one with the new role.",
  })
  setUserRole(
    @Arg('userId', () => ID, { description: 'ID of the user.' }) userId: string,
    @Arg('role', () => Role, { description: 'The new role.' }) role: Role,
    @Ctx() context: Context,
  ): Promise<UserRow> {
    const id = decodeId('user', userId, 'userId');
    return this.#applying(setRole(context.em, id, role, this.audit.by(context)));
  }

  @Invalidates('User')
  @Mutation(() => User, {
    nullable: true,
    description:
      'Activates or deactivates a user. ADMIN only. Deactivation ends all sessions and API keys of the user.',
  })
  setUserActive(
    @Arg('userId', () => ID, { description: 'ID of the user.' }) userId: string,
    @Arg('isActive', { description: 'Whether the user may sign in.' }) isActive: boolean,
    @Ctx() context: Context,
  ): Promise<UserRow> {
    const id = decodeId('user', userId, 'userId');
    return this.#applying(setActive(context.em, id, isActive, this.audit.by(context)));
  }

  @Invalidates('User')
  @Mutation(() => User, {
    nullable: true,
    description: 'Links a user to an employee record, or removes the link. ADMIN only.',
  })
  setUserEmployee(
    @Arg('userId', () => ID, { description: 'ID of the user.' }) userId: string,
    @Arg('employeeId', () => ID, {
      nullable: true,
      description: 'ID of the employee; null removes the link. BAD_USER_INPUT if absent.',
    })
    employeeId: string | null | undefined,
    @Ctx() context: Context,
  ): Promise<UserRow> {
    const employee = employeeId == null ? employeeId : decodeId('employee', employeeId, 'employeeId');
    const id = decodeId('user', userId, 'userId');
    return this.#applying(setEmployee(context.em, id, employee, this.audit.by(context)));
  }

  @Reads<UserRow>('id')
  @FieldResolver(() => ID, { description: 'Global ID: user_ and 26 characters.' })
  id(@Root() user: UserRow): string {
    return encodeId('user', user.id);
  }

  @Reads<UserRow>('employeeId')
  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => Employee, {
    nullable: true,
    description: 'The employee record of the user; null if there is none.',
  })
  employee(
    @Root() user: UserRow,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<EmployeeRow | null> | null {
    return user.employeeId === null ? null : context.load(employeeById.selectedBy(info)).load(user.employeeId);
  }

  @Reads<UserRow>('id')
  @FieldResolver(() => [SessionRecord], {
    description: 'The open sessions of the user, newest first; at most 20. For the user and ADMIN only.',
  })
  @Extensions({ listSize: 20 })
  sessions(@Root() user: UserRow, @Ctx() context: Context): Promise<SessionRow[]> {
    return context.load(sessionsByUser).load(user.id);
  }

  @Reads<UserRow>('id')
  @FieldResolver(() => [ApiKey], {
    description: 'The API keys of the user, newest first; at most 50. For the user and ADMIN only.',
  })
  @Extensions({ listSize: 50 })
  apiKeys(@Root() user: UserRow, @Ctx() context: Context): Promise<ApiKeyRow[]> {
    return context.load(apiKeysByUser).load(user.id);
  }

  /** Applies the change before the response: from then on this process rejects the user's earlier access tokens. */
  async #applying(changing: Promise<User>): Promise<User> {
    const user = await changing;
    await this.changes.refresh();
    return user;
  }
}
