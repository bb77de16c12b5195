import { describe, expect, it, jest } from '@jest/globals';
import {
  resolveViewer,
  Role,
  type AuthenticatedViewer,
  type Viewer,
  type ViewerSources,
} from '../../../src/auth/viewer.js';

const session: AuthenticatedViewer = {
  kind: 'session',
  userId: 'u',
  role: Role.USER,
  employeeId: null,
  credentialId: 's',
  scopes: [],
};
const key: AuthenticatedViewer = { ...session, kind: 'apiKey', credentialId: 'k' };

function sources() {
  const verifyToken = jest.fn<ViewerSources['verifyToken']>(() => session);
  const findByApiKey = jest.fn<ViewerSources['findByApiKey']>(() => Promise.resolve(key));
  return { verifyToken, findByApiKey };
}

describe('resolveViewer', () => {
  it('resolves a request without credentials to an anonymous viewer without a lookup', async () => {
    const lookups = sources();
    expect(await resolveViewer({}, lookups)).toEqual({ kind: 'anonymous' });
    expect(await resolveViewer({ authorization: undefined, apiKey: undefined }, lookups)).toEqual({
      kind: 'anonymous',
    });
    expect(lookups.verifyToken).not.toHaveBeenCalled();
    expect(lookups.findByApiKey).not.toHaveBeenCalled();
  });

  it.each(['Bearer abc.def.ghi', 'bearer abc.def.ghi', 'BEARER abc.def.ghi', 'Bearer    abc.def.ghi'])(
    'reads the token from %j',
    async (authorization) => {
      const lookups = sources();
      expect(await resolveViewer({ authorization }, lookups)).toBe(session);
      expect(lookups.verifyToken.mock.calls).toEqual([['abc.def.ghi']]);
    },
  );

  it.each([
    '',
    ' ',
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Bearer a ',
    ' Bearer a',
    'Bearer\ta',
    'Bearera',
    'Basic abc',
    'abc.def.ghi',
    'Bearer a\nb',
  ])('rejects the header %j without a lookup and describes the valid form', async (authorization) => {
    const lookups = sources();
    const viewer = await resolveViewer({ authorization }, lookups);
    expect(viewer).toEqual({
      kind: 'anonymous',
      reason: 'The header authorization must be "Bearer" and an access token.',
    });
    expect(lookups.verifyToken).not.toHaveBeenCalled();
  });

  it('looks up an API key as sent, even an empty one', async () => {
    const lookups = sources();
    expect(await resolveViewer({ apiKey: 'auspex_x' }, lookups)).toBe(key);
    await resolveViewer({ apiKey: '' }, lookups);
    expect(lookups.findByApiKey.mock.calls).toEqual([['auspex_x'], ['']]);
    expect(lookups.verifyToken).not.toHaveBeenCalled();
  });

  it.each([
    ['Bearer good', 'auspex_good'],
    ['', 'auspex_good'],
    ['Bearer good', ''],
  ])('rejects a token and an API key together: %j and %j', async (authorization, apiKey) => {
    const lookups = sources();
    expect(await resolveViewer({ authorization, apiKey }, lookups)).toMatchObject({
      kind: 'anonymous',
      reason: expect.stringContaining('not both'),
    });
    expect(lookups.verifyToken).not.toHaveBeenCalled();
    expect(lookups.findByApiKey).not.toHaveBeenCalled();
  });

  it('returns the anonymous viewer of an invalid credential with its reason', async () => {
    const anonymous: Viewer = { kind: 'anonymous', reason: 'expired' };
    expect(await resolveViewer({ authorization: 'Bearer x' }, { ...sources(), verifyToken: () => anonymous })).toBe(
      anonymous,
    );
    expect(await resolveViewer({ apiKey: 'x' }, { ...sources(), findByApiKey: () => Promise.resolve(anonymous) })).toBe(
      anonymous,
    );
  });

  it('propagates a failed lookup, so that an outage does not look like an invalid key', async () => {
    const failing: ViewerSources = {
      ...sources(),
      findByApiKey: () => Promise.reject(new Error('the database is unavailable')),
    };
    await expect(resolveViewer({ apiKey: 'x' }, failing)).rejects.toThrow('the database is unavailable');
  });
});
