import { z } from 'zod';
import {
  boolean,
  choice,
  choices,
  integer,
  issuerName,
  keyPairs,
  keys,
  text,
  url,
  variable,
  type DefaultsContext,
} from '../variable.js';

export const auth = ({ isProduction }: DefaultsContext) =>
  z
    .object({
      jwtSecret: variable('JWT_SECRET', text('at least 32 random characters'), {
        isSecret: true,
        description:
          'Key that signs access tokens; create one with `openssl rand -base64 48`. Required in production without `JWT_PRIVATE_KEYS`; otherwise generated once in `DATA_DIR`.',
      }),
      jwtPreviousSecret: variable('JWT_PREVIOUS_SECRET', text('at least 32 random characters'), {
        isSecret: true,
        description: 'The `JWT_SECRET` before its replacement: tokens that it signed stay valid until they expire.',
      }),
      jwtKeyPairs: variable('JWT_PRIVATE_KEYS', keyPairs, {
        isSecret: true,
        description:
          'Keys that sign access tokens with RS256 or EdDSA instead of `JWT_SECRET`; create one with `openssl genpkey -algorithm ed25519`. The first one signs, all verify, and `/.well-known/jwks.json` publishes their public keys.',
      }),
      accessTokenTtlSeconds: variable('ACCESS_TOKEN_TTL_SECONDS', integer(10, 86_400), {
        default: 900,
        unit: 'seconds',
        description: 'Lifetime of an access token. Revoked ones are rejected earlier.',
      }),
      refreshTokenTtlDays: variable('REFRESH_TOKEN_TTL_DAYS', integer(1, 365), {
        default: 14,
        unit: 'days',
        description: 'Lifetime of a refresh token, and so of an unused session.',
      }),
      sessionLifetimeDays: variable('SESSION_LIFETIME_DAYS', integer(1, 3_650), {
        default: 30,
        unit: 'days',
        description: 'Time after which a session ends although it is used: its user signs in again.',
      }),
      apiKeyMaxDays: variable('API_KEY_MAX_DAYS', integer(1, 3_650), {
        default: 365,
        unit: 'days',
        description: 'Longest lifetime of a new API key.',
      }),
      registration: variable('REGISTRATION', choice('open', 'email', 'closed'), {
        default: isProduction ? 'closed' : 'open',
        description:
          'Whether anonymous callers may create an account: `open` at once, which shows whether an address has one and is not allowed in production; `email` by a link that is mailed to the address.',
      }),
      auditRetentionDays: variable('AUDIT_RETENTION_DAYS', integer(1, 36_500), {
        default: 365,
        unit: 'days',
        description: 'Events of the audit log that are older are deleted.',
      }),
      breachUrl: variable('PASSWORD_BREACH_URL', url('https:', 'http:'), {
        description:
          'Service that knows breached passwords, such as `https://api.pwnedpasswords.com/range/`. New passwords are looked up there by five characters of their SHA-1 hash; if it fails, they are accepted. If absent: only the built-in list of common passwords.',
      }),
    })
    .describe('Authentication');

export const mfa = () =>
  z
    .object({
      requiredRoles: variable('MFA_REQUIRED_ROLES', choices('ADMIN', 'MANAGER', 'USER'), {
        default: [],
        description:
          'Roles that require MFA. Their users without it set it up at the next sign-in; their open sessions end when the gateway starts.',
      }),
      issuer: variable('MFA_ISSUER', issuerName, {
        default: 'Auspex',
        description: 'Name of this gateway in authenticator apps.',
      }),
      encryptionKeys: variable('MFA_ENCRYPTION_KEYS', keys, {
        isSecret: true,
        description:
          'Keys that encrypt the secrets of authenticator apps. The first one encrypts; append the former one when you replace it. Derived from the keys of tokens if absent.',
      }),
    })
    .describe('MFA');

export const loginThrottle = () =>
  z
    .object({
      windowSeconds: variable('THROTTLE_WINDOW_SECONDS', integer(1, 86_400), {
        default: 900,
        unit: 'seconds',
        description: 'Length of the window in which attempts are counted.',
      }),
      loginsPerAccount: variable('MAX_LOGINS_PER_ACCOUNT', integer(1, 1_000_000), {
        default: 10,
        description:
          'Logins per window of an account from one network; also checks of the current password per session.',
      }),
      loginsPerAccountTotal: variable('MAX_LOGINS_PER_ACCOUNT_TOTAL', integer(1, 1_000_000), {
        default: 100,
        description:
          'Logins per window of an account from all networks. Networks where the account has signed in before stay open.',
      }),
      loginsPerAddress: variable('MAX_LOGINS_PER_ADDRESS', integer(1, 1_000_000), {
        default: 100,
        description: 'Logins per window and address. Accounts that have signed in there before keep their own limit.',
      }),
      refreshesPerAccount: variable('MAX_REFRESHES_PER_ACCOUNT', integer(1, 1_000_000), {
        default: 60,
        description: 'Session refreshes per window and account.',
      }),
      refreshesPerAddress: variable('MAX_REFRESHES_PER_ADDRESS', integer(1, 1_000_000), {
        default: 600,
        description: 'Session refreshes per window and address.',
      }),
      registrationsPerAddress: variable('MAX_REGISTRATIONS_PER_ADDRESS', integer(1, 1_000_000), {
        default: 20,
        description: 'Registrations per window and address.',
      }),
      mailsPerAccount: variable('MAX_MAILS_PER_ACCOUNT', integer(1, 1_000_000), {
        default: 3,
        description: 'Requests for a mail per window and e-mail address: password resets and registrations.',
      }),
      mailsPerAddress: variable('MAX_MAILS_PER_ADDRESS', integer(1, 1_000_000), {
        default: 20,
        description: 'Requests for a mail per window and network address.',
      }),
    })
    .describe('Login throttle');

export const queryLimits = () =>
  z
    .object({
      depth: variable('MAX_QUERY_DEPTH', integer(1, 1000), {
        default: 12,
        description: 'Maximum nesting of fields.',
      }),
      aliases: variable('MAX_QUERY_ALIASES', integer(0, 10_000), {
        default: 20,
        description: 'Maximum number of aliases.',
      }),
      tokens: variable('MAX_QUERY_TOKENS', integer(10, 1_000_000), {
        default: 2000,
        description: 'Maximum number of lexical tokens of a document.',
      }),
      rootFields: variable('MAX_ROOT_FIELDS', integer(1, 1000), {
        default: 20,
        description: 'Maximum number of root fields.',
      }),
      fields: variable('MAX_QUERY_FIELDS', integer(1, 100_000), {
        default: 500,
        description: 'Maximum number of fields and fragments of a document, with fragments counted at each spread.',
      }),
      directives: variable('MAX_QUERY_DIRECTIVES', integer(0, 10_000), {
        default: 50,
        description: 'Maximum number of directives of a document, with fragments counted at each spread.',
      }),
      cost: variable('MAX_QUERY_COST', integer(1, 100_000_000), {
        default: 5000,
        description:
          'Maximum number of objects in a response, by page sizes and prediction rows. 256 elements that a model returns count as one, and a millisecond of a model that computes a field counts as 100.',
      }),
    })
    .describe('Query limits');

export const graphql = ({ isProduction }: DefaultsContext) =>
  z
    .object({
      maxBatchedOperations: variable('MAX_BATCHED_OPERATIONS', integer(0, 100), {
        default: 0,
        description: 'Maximum number of operations in one HTTP request. 0 disables operation batching.',
      }),
      isIntrospectionOpen: variable('INTROSPECTION', boolean, {
        default: !isProduction,
        description: 'Allow introspection of the schema.',
      }),
      hasLandingPage: variable('LANDING_PAGE', boolean, {
        default: !isProduction,
        description: 'Serve browsers a landing page at `/` and `/graphql`.',
      }),
      hasGraphiql: variable('GRAPHIQL', boolean, {
        default: !isProduction,
        description: 'Serve GraphiQL at `/graphiql`.',
      }),
    })
    .describe('GraphQL');

export const documents = () =>
  z
    .object({
      trusted: variable('TRUSTED_DOCUMENTS', choice('off', 'report', 'enforce'), {
        default: 'off',
        description:
          'Untrusted documents: `off` executes them, `report` executes and counts them, `enforce` rejects them.',
      }),
      isAdminExempt: variable('TRUSTED_DOCUMENTS_EXEMPT_ADMIN', boolean, {
        default: true,
        description: 'Let an ADMIN execute any document in `enforce`, as GraphiQL does.',
      }),
      dir: variable('TRUSTED_DOCUMENTS_DIR', text('directory'), {
        default: 'schema/documents',
        description: 'Directory of trusted documents, by client and version.',
      }),
      hasAutomatic: variable('AUTOMATIC_PERSISTED_QUERIES', boolean, {
        default: true,
        description: 'Let clients register documents under their hash.',
      }),
    })
    .describe('Persisted documents');

export const subscriptions = () =>
  z
    .object({
      total: variable('MAX_STREAMS', integer(0, 1_000_000), {
        default: 10_000,
        description: 'Maximum number of open subscriptions of this process.',
      }),
      perViewer: variable('MAX_STREAMS_PER_VIEWER', integer(0, 1_000_000), {
        default: 100,
        description: 'Maximum number of open subscriptions of one user in this process.',
      }),
      bufferedEvents: variable('MAX_STREAM_BUFFER', integer(1, 1_000_000), {
        default: 2000,
        description: 'Maximum number of unread events of a subscription; one more ends it with `SLOW_CONSUMER`.',
      }),
    })
    .describe('Subscriptions');
