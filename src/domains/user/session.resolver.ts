import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { viewerTopic } from '../../auth/live-viewers.js';
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

  @Mutation(() => Session, { description: 'Makes an account with the role USER and signs it in, where registration is open.' })
  register(@Arg('input', () => RegisterInput) input: RegisterInput, @Ctx() { em, address }: Context): Promise<Session> {
    return this.sessions.register(em, input, address);
  }

  @Mutation(() => Session, { description: 'Signs in with e-mail address and password.' })
  login(@Arg('input', () => LoginInput) input: LoginInput, @Ctx() { em, address }: Context): Promise<Session> {
    return this.sessions.login(em, input, address);
  }

  @Mutation(() => Session, { description: 'Exchanges a refresh token for a new pair. Each refresh token is good once.' })
  refreshSession(@Arg('refreshToken') refreshToken: string, @Ctx() { em, address }: Context): Promise<Session> {
    return this.sessions.refresh(em, refreshToken, address);
  }

  @Mutation(() => Boolean, { description: 'Ends this session: its refresh token stops working at once, its access token when it expires.' })
  async logout(@Ctx() context: Context): Promise<boolean> {
    const { credentialId } = knownViewer(context);
    await this.sessions.logout(context.em, credentialId);
    this.pubSub.publish(viewerTopic, { credentialId });
    return true;
  }

  @Mutation(() => Session, { description: 'Changes the own password, ends every session of the account and opens a new one.' })
  async changePassword(
    @Arg('currentPassword') currentPassword: string,
    @Arg('newPassword') newPassword: string,
    @Ctx() context: Context,
  ): Promise<Session> {
    const { userId } = knownViewer(context);
    const session = await this.sessions.changePassword(context.em, userId, currentPassword, newPassword, context.address);
    this.pubSub.publish(viewerTopic, { userId });
    return session;
  }
}
