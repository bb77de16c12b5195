import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { viewerTopic } from '../../auth/live-viewers.js';
import { Invalidates } from '../../graphql/cache-hint.js';
import type { Context } from '../../graphql/context.js';
import { knownViewer } from '../../graphql/permissions.js';
import type { PubSub } from '../../shared/pub-sub.js';
import type { Sessions } from './session.service.js';
import { LoginInput, RegisterInput, Session } from './user.types.js';

@Resolver()
export class SessionResolver {
  constructor(
    readonly sessions: Sessions,
    readonly pubSub: PubSub,
  ) {}

  @Invalidates('User')
  @Mutation(() => Session, { description: 'Makes an account with the role USER and signs it in, where registration is open.' })
  register(@Arg('input', () => RegisterInput, { description: 'The account to be made.' }) input: RegisterInput, @Ctx() context: Context): Promise<Session> {
    return opened(context, this.sessions.register(context.em, input, context.address));
  }

  @Invalidates()
  @Mutation(() => Session, { description: 'Signs in with e-mail address and password.' })
  login(@Arg('input', () => LoginInput, { description: 'Who signs in.' }) input: LoginInput, @Ctx() context: Context): Promise<Session> {
    return opened(context, this.sessions.login(context.em, input, context.address));
  }

  @Invalidates()
  @Mutation(() => Session, { description: 'Exchanges a refresh token for a new pair. Each refresh token is good once.' })
  refreshSession(@Arg('refreshToken', { description: 'The refresh token of the session, which is good for this once.' }) refreshToken: string, @Ctx() { em, address }: Context): Promise<Session> {
    return this.sessions.refresh(em, refreshToken, address);
  }

  @Invalidates()
  @Mutation(() => Boolean, { description: 'Ends this session: its refresh token stops working at once, its access token when it expires.' })
  async logout(@Ctx() context: Context): Promise<boolean> {
    const { credentialId } = knownViewer(context);
    await this.sessions.logout(context.em, credentialId);
    this.pubSub.publish(viewerTopic, { credentialId });
    return true;
  }

  @Invalidates()
  @Mutation(() => Session, { description: 'Changes the own password, ends every session of the account and opens a new one.' })
  async changePassword(
    @Arg('currentPassword', { description: 'The password as it is.' }) currentPassword: string,
    @Arg('newPassword', { description: 'The password from now on: 12 characters or more, 72 bytes at the most.' }) newPassword: string,
    @Ctx() context: Context,
  ): Promise<Session> {
    const { userId } = knownViewer(context);
    const session = await this.sessions.changePassword(context.em, userId, currentPassword, newPassword, context.address);
    this.pubSub.publish(viewerTopic, { userId });
    return session;
  }
}

/** Whoever was a stranger until now has changed something all the same, and is to find it. */
async function opened(context: Context, opening: Promise<Session>): Promise<Session> {
  const session = await opening;
  await context.readFreshly(session.user.id);
  return session;
}
