import type { DomainModule } from '../../graphql/module.js';
import { AccountResolver } from './account.resolver.js';
import { Accounts } from './account.service.js';
import { AccountToken } from './account-token.entity.js';
import { ApiKey } from './api-key.entity.js';
import { ApiKeyResolver } from './api-key.resolver.js';
import { SignInCode, UserIdentity } from './identity/identity.entity.js';
import { IdentityResolver } from './identity/identity.resolver.js';
import { CredentialChangeRecord } from './credential-change.entity.js';
import { CredentialChangeWatcher } from './credential-change.watcher.js';
import { endSessionsWithoutMfa } from './mfa/mfa.queries.js';
import { MfaResolver } from './mfa/mfa.resolver.js';
import { Mfa } from './mfa/mfa.service.js';
import { MfaSignIn } from './mfa/mfa-sign-in.service.js';
import { RecoveryCode, TotpFactor } from './mfa/totp-factor.entity.js';
import { SessionRecord } from './session.entity.js';
import { SessionFieldResolver, SessionResolver } from './session.resolver.js';
import { Sessions } from './session.service.js';
import { SignIn } from './sign-in.service.js';
import { SignInNetwork } from './sign-in-network.entity.js';
import { userColumns } from './user.columns.js';
import { User } from './user.entity.js';
import { userNodes, userVisibility } from './user.nodes.js';
import { userPermissions } from './user.permissions.js';
import { UserResolver } from './user.resolver.js';

/** Accounts, their sessions and their API keys. */
export const userDomain: DomainModule = {
  name: 'user',
  entities: [
    User,
    SessionRecord,
    SignInNetwork,
    ApiKey,
    AccountToken,
    CredentialChangeRecord,
    UserIdentity,
    SignInCode,
    TotpFactor,
    RecoveryCode,
  ],
  resolvers: [
    UserResolver,
    AccountResolver,
    SessionResolver,
    SessionFieldResolver,
    ApiKeyResolver,
    IdentityResolver,
    MfaResolver,
  ],
  permissions: userPermissions,
  visibility: userVisibility,
  load(services) {
    const { db, databaseUrl, throttle, passwords, credentialChanges, audit, mail, settings, log } = services;
    const mfa = new Mfa(services);
    const sessions = new Sessions({ ...services, mfa });
    const signIn = new SignIn({ ...services, sessions, mfa });
    const watcher = new CredentialChangeWatcher({ db, databaseUrl, changes: credentialChanges, log });
    return {
      resolvers: [
        new UserResolver(watcher, audit, services.indexes),
        new AccountResolver(new Accounts({ throttle, passwords, audit, mail, settings }), watcher),
        new SessionResolver({ sessions, signIn, throttle, mfa, audit, changes: watcher }),
        new SessionFieldResolver(),
        new ApiKeyResolver(watcher, audit, settings.apiKeyMaxDays),
        new IdentityResolver({ signIn, throttle, audit, changes: watcher, issuer: settings.identityIssuer }),
        new MfaResolver(mfa, new MfaSignIn(mfa, sessions, throttle), watcher),
      ],
      nodes: userNodes,
      ...(mail ? { queue: mail } : {}),
      ready: async () => {
        await endSessionsWithoutMfa(db, settings.mfa.requiredRoles);
        await watcher.ready();
        await services.indexes.prepare(userColumns);
      },
      close: () => watcher.close(),
    };
  },
};

declare module '../../graphql/relay/global-id.js' {
  interface IdPrefixes {
    user: true;
    apikey: true;
    session: true;
  }
}
