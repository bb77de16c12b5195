import { z } from 'zod';
import {
  boolean,
  integer,
  loopbackOrHttpsUrl,
  loopbackOrHttpsUrls,
  listOf,
  names,
  pattern,
  roleMapping,
  variable,
} from '../variable.js';

const algorithmNames = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export const oidc = () =>
  z
    .object({
      issuer: variable('OIDC_ISSUER', loopbackOrHttpsUrl, {
        description:
          'Issuer of the OpenID provider, such as `https://login.example.com/realms/company`; exactly as its tokens state it. Its discovery document is read from there.',
      }),
      name: variable('OIDC_NAME', pattern(/^[\p{L}\p{N} .,'&()-]{1,50}$/u, 'up to 50 letters, digits and spaces'), {
        default: 'your company account',
        description: 'Name of the provider in the link "Sign in with …".',
      }),
      clientId: variable('OIDC_CLIENT_ID', pattern(/^[\w.:/@~-]{1,200}$/, 'up to 200 characters'), {
        description: 'Client ID of the gateway at the provider. Enables sign-in with the provider.',
      }),
      clientSecret: variable('OIDC_CLIENT_SECRET', pattern(/^.{8,500}$/, 'at least 8 characters'), {
        isSecret: true,
        description: 'Client secret of the gateway at the provider. Absent for a public client.',
      }),
      scopes: variable(
        'OIDC_SCOPES',
        pattern(/^openid(?: [\w.:/-]{1,200}){0,20}$/, 'scopes, separated by spaces, that start with openid'),
        {
          default: 'openid email profile',
          description: 'Scopes that the sign-in requests.',
        },
      ),
      returnUrls: variable('OIDC_RETURN_URLS', loopbackOrHttpsUrls(20), {
        default: [],
        description: 'Pages of frontends to which a sign-in may return; GraphiQL is always one if it is served.',
      }),
      createsAccounts: variable('OIDC_CREATE_ACCOUNTS', boolean, {
        default: true,
        description: 'Create an account at the first sign-in of a user with a verified e-mail address.',
      }),
      roleClaim: variable('OIDC_ROLE_CLAIM', names, {
        description:
          'Claim of the ID token that decides the role at each sign-in, such as `groups` or `realm_access.roles`. If absent, administrators assign roles.',
      }),
      roles: variable('OIDC_ROLES', roleMapping, {
        default: [],
        description: 'Values of that claim and their roles; the highest role applies, and USER without any.',
      }),
      employeeClaim: variable('OIDC_EMPLOYEE_CLAIM', names, {
        description:
          'Claim with the e-mail address of the employee record that a sign-in links to the account. `email` counts only if it is verified.',
      }),
      apiAudience: variable('OIDC_API_AUDIENCE', pattern(/^[\w.:/@~-]{1,200}$/, 'up to 200 characters'), {
        description:
          'Audience of access tokens of the provider that the gateway accepts directly. If absent, it accepts none.',
      }),
      apiAlgorithms: variable('OIDC_API_ALGORITHMS', listOf(algorithmNames), {
        default: ['RS256', 'PS256', 'ES256', 'EdDSA'],
        description: 'Signature algorithms of these tokens.',
      }),
      apiMaxLifetimeSeconds: variable('OIDC_API_MAX_LIFETIME_SECONDS', integer(60, 86_400), {
        default: 3600,
        unit: 'seconds',
        description: 'Longest lifetime of these tokens; longer ones are rejected.',
      }),
    })
    .describe('OpenID Connect');
