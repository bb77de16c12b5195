import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { viewerTopic } from '../../auth/live-viewers.js';
import { Role } from '../../auth/viewer.js';
import { CacheHint, Invalidates } from '../../graphql/cache-hint.js';
import { counting, ForwardPageArgs, readPage, type Connection } from '../../graphql/connection.js';
import type { Context } from '../../graphql/context.js';
import { decodeId, encodeId } from '../../graphql/id.js';
import { knownViewer } from '../../graphql/permissions.js';
import type { PubSub } from '../../shared/pub-sub.js';
import { Employee } from '../employee/employee.entity.js';
import { employeeById } from '../employee/employee.loaders.js';
import type { EmployeeRow } from '../employee/employee.types.js';
import { User } from './user.entity.js';
import { userById } from './user.loaders.js';
import { visibleUsers } from './user.nodes.js';
import { countUsers, userOrder, userPage } from './user.queries.js';
import { setActive, setEmployee, setRole } from './user.service.js';
import { UserConnection, type UserRow } from './user.types.js';

@Resolver(() => User)
export class UserResolver {
  constructor(readonly pubSub: PubSub) {}

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => User, { nullable: true, description: 'Who is asking.' })
  me(@Ctx() context: Context): Promise<UserRow | null> {
    return context.load(userById).load(knownViewer(context).userId);
  }

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => User, { nullable: true, description: 'A user by id; null if unknown, and for anyone but the user and an ADMIN.' })
  async user(@Arg('id', () => ID, { description: 'The id of the user.' }) id: string, @Ctx() context: Context): Promise<UserRow | null> {
    const [user] = await visibleUsers([decodeId('user', id)], context);
    return user ?? null;
  }

  @Query(() => UserConnection, { description: 'All users, the oldest account first. ADMIN only.' })
  async users(@Args(() => ForwardPageArgs) args: ForwardPageArgs, @Ctx() { db }: Context, @Info() info: GraphQLResolveInfo): Promise<Connection<UserRow>> {
    const page = readPage(args, userOrder);
    const count = counting(info, () => countUsers(db));
    return new UserConnection({ page, rows: await userPage(db, page), count });
  }

  @Invalidates('User')
  @Mutation(() => User, { description: "Gives a user another role. ADMIN only. Felt once the user's access token has expired; open streams of the user end at once." })
  setUserRole(
    @Arg('userId', () => ID, { description: 'The user who gets it.' }) userId: string,
    @Arg('role', () => Role, { description: 'The role from now on.' }) role: Role,
    @Ctx() { em }: Context,
  ): Promise<UserRow> {
    return this.#told(setRole(em, decodeId('user', userId, 'userId'), role));
  }

  @Invalidates('User')
  @Mutation(() => User, { description: 'Switches a user on or off. ADMIN only. Off ends every session and API key of the user.' })
  setUserActive(
    @Arg('userId', () => ID, { description: 'The user who is switched.' }) userId: string,
    @Arg('isActive', { description: 'Whether the user may sign in from now on.' }) isActive: boolean,
    @Ctx() { em }: Context,
  ): Promise<UserRow> {
    return this.#told(setActive(em, decodeId('user', userId, 'userId'), isActive));
  }

  @Invalidates('User')
  @Mutation(() => User, { description: 'Says which employee a user is; null for none. ADMIN only.' })
  setUserEmployee(
    @Arg('userId', () => ID, { description: 'The user.' }) userId: string,
    @Arg('employeeId', () => ID, { nullable: true, description: 'Which employee the user is; none if null or absent.' }) employeeId: string | null,
    @Ctx() { em }: Context,
  ): Promise<UserRow> {
    const employee = employeeId == null ? null : decodeId('employee', employeeId, 'employeeId');
    return this.#told(setEmployee(em, decodeId('user', userId, 'userId'), employee));
  }

  @FieldResolver(() => ID, { description: 'The id: user_ and 26 characters.' })
  id(@Root() user: UserRow): string {
    return encodeId('user', user.id);
  }

  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => Employee, { nullable: true, description: 'Which employee this user is; null for none.' })
  employee(@Root() user: UserRow, @Ctx() context: Context): Promise<EmployeeRow | null> | null {
    return user.employeeId === null ? null : context.load(employeeById).load(user.employeeId);
  }

  /** Once a user is not who it was, its streams are to end. */
  async #told(changing: Promise<User>): Promise<User> {
    const user = await changing;
    this.pubSub.publish(viewerTopic, { userId: user.id });
    return user;
  }
}
