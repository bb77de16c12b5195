import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { SigningKeys } from '../../auth/signing-keys.js';
import { BadRequest, Overloaded } from '../../errors/app-error.js';
import {
  SignInRejected,
  type IdClaims,
  type IdentityProvider,
} from '../../integrations/identity-provider/identity-provider.js';
import { ProviderUnavailable } from '../../integrations/identity-provider/shared-fetch.js';
import type { Logger } from '../../telemetry/logger.js';
import type { RateLimiter } from '../rate-limiter.js';
import { SignInCookie } from '../sign-in-cookie.js';

export interface SignInRoutesOptions {
  provider: IdentityProvider;
  keys: SigningKeys;
  limiter: RateLimiter;
  /** The URL at which browsers reach the gateway. */
  publicUrl: string;
  /** Pages to which a sign-in may return: exactly these. */
  returnUrls: readonly string[];
  /** Finds or creates the account. @returns a code that the page with the verifier of the challenge exchanges, or a problem */
  accept: (
    claims: IdClaims,
    challenge: string,
    from: { address: string; requestId: string },
  ) => Promise<{ code: string } | { problem: string }>;
  log: Logger;
}

/** SHA-256 in base64url. */
const challengeForm = /^[\w-]{43}$/;

/**
 * Sign-in with the identity provider: `/sign-in/start?return_to=…&challenge=…` sends the browser to the provider, which returns it
 * to `/sign-in/callback`. From there it returns to the page with `#sign_in_code=…` or `#sign_in_error=…`: browsers send
 * fragments to no server. Only the page that began the sign-in has the verifier of the challenge, without which the code is useless.
 */
export function addSignInRoutes(server: FastifyInstance, options: SignInRoutesOptions): void {
  const { provider, limiter, publicUrl, returnUrls, log } = options;
  const cookie = new SignInCookie(options.keys, publicUrl.startsWith('https:'));
  const onRequest = (request: FastifyRequest, reply: FastifyReply): Promise<void> =>
    limiter.admit({ kind: 'anonymous' }, request.client.address, { reply });

  server.get<{ Querystring: Record<string, unknown> }>('/sign-in/start', { onRequest }, async (request, reply) => {
    const { challenge, return_to: returnTo = returnUrls[0] } = request.query;
    if (typeof returnTo !== 'string' || !returnUrls.includes(returnTo))
      throw new BadRequest('return_to is not a permitted page; list it in OIDC_RETURN_URLS.');
    if (typeof challenge !== 'string' || !challengeForm.test(challenge))
      throw new BadRequest('challenge must be the SHA-256 of a random verifier, in base64url.');
    const begun = await attempted(request, log, () => provider.authorization());
    if ('problem' in begun) return returnWith(reply, returnTo, begun);
    const { url, secrets } = begun;
    return leave(reply.header('set-cookie', cookie.start({ ...secrets, returnTo, challenge })), url.href);
  });

  server.get('/sign-in/callback', { onRequest }, async (request, reply) => {
    const pending = cookie.read(request.headers.cookie);
    void reply.header('set-cookie', cookie.removal);
    if (!pending) throw new BadRequest('This browser has begun no sign-in within the last ten minutes; sign in again.');
    const { challenge, returnTo, ...secrets } = pending;
    const from = { address: request.client.address, requestId: request.id };
    const query = request.url.split('?').slice(1).join('?');
    const result = await attempted(request, log, async () =>
      options.accept(await provider.claimsOf(query, secrets), challenge, from),
    );
    return returnWith(reply, returnTo, result);
  });
}

const leave = (reply: FastifyReply, url: string): FastifyReply =>
  reply.header('cache-control', 'no-store').redirect(url, 303);

const returnWith = (reply: FastifyReply, page: string, result: { code: string } | { problem: string }): FastifyReply =>
  leave(reply, `${page}#${'code' in result ? `sign_in_code=${result.code}` : `sign_in_error=${result.problem}`}`);

/** @returns the result, or the problem for the page. @throws errors that the page cannot handle */
async function attempted<Result>(
  request: FastifyRequest,
  log: Logger,
  attempt: () => Promise<Result>,
): Promise<Result | { problem: string }> {
  try {
    return await attempt();
  } catch (error) {
    return { problem: problemOf(error, request, log) };
  }
}

/** The problem for the page. Logged without the error, which may contain the code or the state. @throws other errors */
function problemOf(error: unknown, { id, client }: FastifyRequest, log: Logger): string {
  const requestId = id;
  if (error instanceof ProviderUnavailable) {
    log.warn({ requestId, reason: error.reason }, 'provider sign-in failed');
    return 'provider_unavailable';
  }
  if (error instanceof Overloaded) return 'overloaded';
  if (!(error instanceof SignInRejected)) throw error;
  const { reason, isDeclined } = error;
  log.info({ requestId, address: client.address, reason }, 'provider sign-in rejected');
  return isDeclined ? 'declined' : 'rejected';
}
