import type { FastifyInstance } from 'fastify';
import type { Viewer } from '../auth/viewer.js';
import type { Config } from '../config/config.js';
import { findViewerByIdentity } from '../domains/user/identity/identity.queries.js';
import { Identities } from '../domains/user/identity/identity.service.js';
import type { RateLimiter } from '../http/rate-limiter.js';
import type { ProviderSignIn } from '../http/routes/landing-page.js';
import { addSignInRoutes } from '../http/routes/sign-in.js';
import type { IssuerTokenProblem } from '../integrations/identity-provider/issuer-tokens.js';
import type { OpenServices } from './services.js';

/** @returns what the pages of the gateway offer; null without a client of the provider */
export const providerSignInOf = ({ oidc }: Pick<Config, 'oidc'>): ProviderSignIn | null =>
  oidc.clientId === undefined ? null : { name: oidc.name };

/** Adds the routes of sign-in with the identity provider; none without one. */
export async function openProviderSignIn(
  server: FastifyInstance,
  { oidc, http: { publicUrl }, graphql }: Pick<Config, 'oidc' | 'http' | 'graphql'>,
  { orm, audit, signingKeys, log }: OpenServices,
  limiter: RateLimiter,
): Promise<void> {
  const { issuer, clientId, clientSecret, scopes, returnUrls } = oidc;
  if (issuer === undefined || clientId === undefined || publicUrl === undefined) return;
  const [{ IdentityProvider }, { ProviderMetadata }] = await Promise.all([
    import('../integrations/identity-provider/identity-provider.js'),
    import('../integrations/identity-provider/provider-metadata.js'),
  ]);
  const base = publicUrl.replace(/\/$/, '');
  const identities = new Identities({ ...oidc, issuer }, audit, log);
  const provider = new IdentityProvider({
    metadata: new ProviderMetadata(issuer, log),
    clientId,
    clientSecret,
    scopes,
    redirectUri: `${base}/sign-in/callback`,
  });
  addSignInRoutes(server, {
    provider,
    keys: signingKeys,
    limiter,
    publicUrl,
    returnUrls: [...(graphql.hasGraphiql ? [`${base}/graphiql`] : []), ...returnUrls],
    accept: (claims, challenge, from) => identities.accept(orm.em.fork(), claims, challenge, from),
    log,
  });
}

/** Resolves access tokens: those of the identity provider if they are accepted, and the gateway's. */
export async function openTokenVerifier(
  { oidc }: Pick<Config, 'oidc'>,
  { db, tokens, log }: Pick<OpenServices, 'db' | 'tokens' | 'log'>,
): Promise<(token: string) => Viewer | Promise<Viewer>> {
  const { issuer, apiAudience: audience, apiAlgorithms: algorithms, apiMaxLifetimeSeconds: maxLifetimeSeconds } = oidc;
  if (issuer === undefined || audience === undefined) return (token) => tokens.verify(token);
  const [{ IssuerTokens }, { ProviderMetadata }] = await Promise.all([
    import('../integrations/identity-provider/issuer-tokens.js'),
    import('../integrations/identity-provider/provider-metadata.js'),
  ]);
  const metadata = new ProviderMetadata(issuer, log);
  const issuerTokens = new IssuerTokens({ metadata, audience, algorithms, maxLifetimeSeconds });
  return async (token) => {
    if (!issuerTokens.claims(token)) return tokens.verify(token);
    const verified = await issuerTokens.verify(token);
    return 'problem' in verified
      ? { kind: 'anonymous', reason: reasons[verified.problem] }
      : findViewerByIdentity(db, verified);
  };
}

const reasons: Record<IssuerTokenProblem, string> = {
  invalid: 'The access token of the identity provider is not valid for this gateway.',
  expired: 'The access token has expired; request another one from its issuer.',
  unavailable: 'The keys of the identity provider cannot be read now; try again in a minute.',
};
