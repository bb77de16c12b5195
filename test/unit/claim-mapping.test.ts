import { describe, expect, it } from '@jest/globals';
import { Role } from '../../src/auth/viewer.js';
import { mapClaims } from '../../src/domains/user/identity/claim-mapping.js';
import { problemsOf } from '../support/config.js';
import { readConfig } from '../../src/config/config.js';

const roles = [
  { role: Role.MANAGER, value: 'leads' },
  { role: Role.ADMIN, value: 'admins' },
];
const settings = { roleClaim: 'groups', roles, employeeClaim: 'email' };
const roleOf = (groups: unknown, roleClaim = 'groups') =>
  mapClaims({ sub: 'x', [roleClaim.split('.')[0] ?? '']: groups }, { ...settings, roleClaim }).role;

describe('claims', () => {
  it.each([
    [['leads', 'admins'], Role.ADMIN],
    [['leads'], Role.MANAGER],
    ['admins', Role.ADMIN],
    ['admins leads', Role.USER],
    [['ADMINS', 'other'], Role.USER],
    [{ admins: true }, Role.USER],
    [null, Role.USER],
    [undefined, Role.USER],
    [[['admins']], Role.USER],
  ])('of groups %j decide the role %s', (groups, role) => {
    expect(roleOf(groups)).toBe(role);
  });

  it('decide no role if the configuration names none', () => {
    expect(mapClaims({ sub: 'x', groups: ['admins'] }, { ...settings, roleClaim: undefined }).role).toBeNull();
  });

  it('may be nested, or have a name with dots', () => {
    expect(roleOf({ roles: ['admins'] }, 'realm_access.roles')).toBe(Role.ADMIN);
    const claims = { sub: 'x', 'https://example.com/roles': ['admins'] };
    expect(mapClaims(claims, { ...settings, roleClaim: 'https://example.com/roles' }).role).toBe(Role.ADMIN);
    expect(roleOf(['admins'], 'constructor.name')).toBe(Role.USER);
  });

  it('contain an e-mail address only if it is verified', () => {
    const mapped = (email: unknown, verified: unknown) =>
      mapClaims({ sub: 'x', email, email_verified: verified }, settings);
    expect(mapped('A@Example.com', true)).toMatchObject({
      verifiedEmail: 'a@example.com',
      employeeEmail: 'a@example.com',
    });
    for (const [email, verified] of [
      ['a@example.com', false],
      ['a@example.com', 'true'],
      ['a@example.com', 1],
      ['a@example.com', undefined],
      ['no address', true],
      [5, true],
    ])
      expect(mapped(email, verified)).toMatchObject({ verifiedEmail: null, employeeEmail: null });
  });
});

describe('the configuration of the provider', () => {
  const provider = {
    OIDC_ISSUER: 'https://login.example.com',
    OIDC_CLIENT_ID: 'auspex',
    PUBLIC_URL: 'https://auspex.example.com',
  };

  it('reads the mapping of roles', () => {
    const { oidc } = readConfig({ ...provider, OIDC_ROLE_CLAIM: 'groups', OIDC_ROLES: 'ADMIN=a b, MANAGER=c' });
    expect(oidc.roles).toEqual([
      { role: Role.ADMIN, value: 'a b' },
      { role: Role.MANAGER, value: 'c' },
    ]);
  });

  it.each<[string, Record<string, string>]>([
    ['OIDC_ISSUER', { OIDC_ISSUER: 'http://login.example.com' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'https://auspex.example.com/#x' }],
    ['OIDC_RETURN_URLS', { OIDC_RETURN_URLS: 'https://app.example.com/?next=1' }],
    ['OIDC_CLIENT_ID', { OIDC_ISSUER: '' }],
    ['OIDC_CLIENT_ID', { PUBLIC_URL: '' }],
    ['OIDC_ROLES', { OIDC_ROLES: 'ADMIN=a' }],
    ['OIDC_ROLES', { OIDC_ROLE_CLAIM: 'groups', OIDC_ROLES: 'OWNER=a' }],
    ['OIDC_ROLE_CLAIM', { OIDC_ROLE_CLAIM: 'groups' }],
    ['OIDC_API_ALGORITHMS', { OIDC_API_ALGORITHMS: 'RS256,HS256' }],
    ['OIDC_API_ALGORITHMS', { OIDC_API_ALGORITHMS: 'none' }],
    ['OIDC_API_AUDIENCE', { OIDC_API_AUDIENCE: 'auspex' }],
  ])('rejects %s in %j', (name, changed) => {
    expect(problemsOf(provider)).toEqual([]);
    expect(problemsOf({ ...provider, ...changed }).map((problem) => problem.split(' ')[0])).toEqual([name]);
  });
});
