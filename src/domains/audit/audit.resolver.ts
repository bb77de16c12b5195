import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../graphql/context/context.js';
import { counting, PageArgs, readPage, type Connection } from '../../graphql/relay/connection.js';
import { decodeId, encodeId } from '../../graphql/relay/global-id.js';
import { User } from '../user/user.entity.js';
import { userById } from '../user/user.loaders.js';
import type { UserRow } from '../user/user.types.js';
import { AuditEventRecord } from './audit-event.entity.js';
import { auditOrder, auditPage, countAuditEvents } from './audit.queries.js';
import { AuditEventConnection, AuditFilter, type AuditEventRow } from './audit.types.js';

@Resolver(() => AuditEventRecord)
export class AuditResolver {
  @Query(() => AuditEventConnection, {
    description: 'Events of the audit log, newest first. ADMIN with a session only.',
  })
  async auditLog(
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => AuditFilter, { nullable: true, description: 'Conditions; all events if absent.' })
    filter: AuditFilter | null,
    @Ctx() { db }: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<AuditEventRow>> {
    const page = readPage(args, auditOrder);
    const { actorId } = filter ?? {};
    const scope = { ...filter, actorId: actorId == null ? null : decodeId('user', actorId, 'filter.actorId') };
    const count = counting(info, () => countAuditEvents(db, scope));
    return new AuditEventConnection({ page, rows: await auditPage(db, scope, page), count });
  }

  @FieldResolver(() => ID, { description: 'Global ID: auditevent_ and 26 characters.' })
  id(@Root() event: AuditEventRow): string {
    return encodeId('auditevent', event.id);
  }

  @FieldResolver(() => ID, {
    nullable: true,
    description: 'ID of the user who acted, also after the account was deleted; null if the caller was anonymous.',
  })
  actorId(@Root() { actorId }: AuditEventRow): string | null {
    return actorId === null ? null : encodeId('user', actorId);
  }

  @FieldResolver(() => User, {
    nullable: true,
    description: 'The user who acted; null if the caller was anonymous or the account was deleted.',
  })
  actor(
    @Root() { actorId }: AuditEventRow,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<UserRow | null> | null {
    return actorId === null ? null : context.load(userById.selectedBy(info)).load(actorId);
  }

  @FieldResolver(() => ID, {
    nullable: true,
    description: 'ID of the session or API key that the caller used; null if there was none.',
  })
  credentialId(@Root() { credentialKind, credentialId }: AuditEventRow): string | null {
    // The link of an access token of the identity provider is no object of the API.
    if (credentialKind === null || credentialKind === 'external' || credentialId === null) return null;
    return encodeId(credentialKind === 'session' ? 'session' : 'apikey', credentialId);
  }
}
