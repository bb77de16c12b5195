import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider, type Adapter, type AdapterPayload } from 'oidc-provider';

/** Claims of an account of the provider, by its subject. */
export type ProviderAccounts = Map<string, Record<string, unknown>>;

/** A certified OpenID provider on this machine. It signs in the account of `login_hint`, or else `currentAccount`; null declines. */
export interface TestProvider {
  issuer: string;
  accounts: ProviderAccounts;
  currentAccount: string | null;
  clientSecret: string;
  /** Requests since the start, by path. */
  requests: string[];
  /** An access token of a service, with its client ID as the subject. */
  serviceToken(options?: { audience?: string; scope?: string }): Promise<string>;
  /** Replaces the signing key; tokens of the previous one are no longer valid. */
  rotateKey(): void;
  stop(): Promise<void>;
  /** Starts again at the same address. */
  restart(): Promise<void>;
}

export const serviceClientId = 'reporting-service';

let keyCount = 0;
const newKey = (): JsonWebKey => ({
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
  kid: `key-${(keyCount += 1)}`,
  alg: 'RS256',
  use: 'sig',
});

/** Lifetimes in seconds; the provider prints a notice for each one that is absent. */
const ttl = { AccessToken: 600, ClientCredentials: 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 };

/** Stores what the provider remembers, such as codes that were used. */
class MemoryAdapter implements Adapter {
  readonly #model: string;
  constructor(model: string) {
    this.#model = model;
  }

  upsert(id: string, payload: AdapterPayload): Promise<void> {
    stored.set(this.#key(id), payload);
    if (payload.uid !== undefined) stored.set(`uid ${payload.uid}`, payload);
    return Promise.resolve();
  }

  find(id: string): Promise<AdapterPayload | undefined> {
    return Promise.resolve(stored.get(this.#key(id)));
  }

  findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return Promise.resolve(stored.get(`uid ${uid}`));
  }

  findByUserCode(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  consume(id: string): Promise<void> {
    const found = stored.get(this.#key(id));
    if (found) stored.set(this.#key(id), { ...found, consumed: Math.floor(Date.now() / 1000) });
    return Promise.resolve();
  }

  destroy(id: string): Promise<void> {
    stored.delete(this.#key(id));
    return Promise.resolve();
  }

  revokeByGrantId(grantId: string): Promise<void> {
    for (const [key, payload] of stored) if (payload.grantId === grantId) stored.delete(key);
    return Promise.resolve();
  }

  #key(id: string): string {
    return `${this.#model} ${id}`;
  }
}

const stored = new Map<string, AdapterPayload>();

/** Starts a provider with a client for the gateway at `publicUrl`, and one for a service. */
export async function startIdentityProvider(publicUrl: string, audience: string): Promise<TestProvider> {
  const accounts: ProviderAccounts = new Map();
  const clientSecret = 'canary-client-secret-5127';
  const requests: string[] = [];
  let key = newKey();
  let provider: Provider;
  let server: Server | null = null;
  let port = 0;

  const create = (): Provider => {
    const created: Provider = new Provider(`http://127.0.0.1:${port}`, {
      clients: [
        { client_id: 'auspex', client_secret: clientSecret, redirect_uris: [`${publicUrl}/sign-in/callback`] },
        {
          client_id: serviceClientId,
          client_secret: clientSecret,
          redirect_uris: [],
          response_types: [],
          grant_types: ['client_credentials'],
        },
      ],
      jwks: { keys: [key] },
      claims: {
        openid: ['sub'],
        email: ['email', 'email_verified'],
        profile: ['groups', 'realm_access', 'work_email'],
      },
      cookies: { keys: ['test'] },
      pkce: { required: () => true },
      adapter: MemoryAdapter,
      ttl,
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_context, resource) => ({
            scope: 'employees:read predict',
            audience: resource === audience ? audience : 'https://elsewhere.example.com',
            accessTokenTTL: 600,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
      interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
      findAccount: (_context, sub) =>
        accounts.has(sub) ? { accountId: sub, claims: () => ({ sub, ...accounts.get(sub) }) } : undefined,
      async loadExistingGrant({ oidc }) {
        const grant = new created.Grant({
          clientId: oidc.client?.clientId ?? '',
          accountId: oidc.session?.accountId ?? '',
        });
        grant.addOIDCScope('openid email profile');
        await grant.save();
        return grant;
      },
    });
    return created;
  };

  const listen = async (): Promise<void> => {
    const listening = createServer((request, response) => {
      requests.push(request.url?.split('?', 1)[0] ?? '');
      if (request.url?.startsWith('/interaction/')) {
        void provider
          .interactionDetails(request, response)
          .then(({ prompt, params }) =>
            provider.interactionFinished(
              request,
              response,
              prompt.name === 'login' && accountOf(params) !== null
                ? { login: { accountId: accountOf(params) ?? '' } }
                : { error: 'access_denied' },
            ),
          );
        return;
      }
      void provider.callback()(request, response);
    });
    await new Promise<void>((resolve) => listening.listen(port, '127.0.0.1', resolve));
    ({ port } = listening.address() as AddressInfo);
    server = listening;
    provider = create();
  };
  const accountOf = ({ login_hint: hint }: Record<string, unknown>): string | null =>
    typeof hint === 'string' ? hint : running.currentAccount;
  const stop = async (): Promise<void> => {
    const stopping = server;
    server = null;
    stopping?.closeAllConnections();
    await new Promise((resolve) => (stopping ? stopping.close(resolve) : resolve(null)));
  };

  await listen();
  const issuer = `http://127.0.0.1:${port}`;
  const running: TestProvider = {
    issuer,
    accounts,
    currentAccount: null,
    clientSecret,
    requests,
    async serviceToken({ audience: resource = audience, scope = 'employees:read' } = {}) {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${serviceClientId}:${clientSecret}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope }),
      });
      const { access_token: token } = (await response.json()) as { access_token: string };
      return token;
    },
    rotateKey() {
      key = newKey();
      provider = create();
    },
    stop,
    restart: listen,
  };
  return running;
}
