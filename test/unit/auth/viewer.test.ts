import { describe, expect, it, jest } from '@jest/globals';
import { readViewer, Role, type KnownViewer, type Viewer, type ViewerSources } from '../../../src/auth/viewer.js';

const session: KnownViewer = { kind: 'session', userId: 'u', role: Role.USER, employeeId: null, credentialId: 's', scopes: [] };
const key: KnownViewer = { ...session, kind: 'apiKey', credentialId: 'k' };

function sources() {
  const verifyToken = jest.fn<ViewerSources['verifyToken']>(() => session);
  const findByApiKey = jest.fn<ViewerSources['findByApiKey']>(() => Promise.resolve(key));
  return { verifyToken, findByApiKey };
}

describe('readViewer', () => {
  it('makes a caller without credentials a stranger, without a reason and without looking', async () => {
    const from = sources();
    expect(await readViewer({}, from)).toEqual({ kind: 'stranger' });
    expect(await readViewer({ authorization: undefined, apiKey: undefined }, from)).toEqual({ kind: 'stranger' });
    expect(from.verifyToken).not.toHaveBeenCalled();
    expect(from.findByApiKey).not.toHaveBeenCalled();
  });

  it.each(['Bearer abc.def.ghi', 'bearer abc.def.ghi', 'BEARER abc.def.ghi', 'Bearer    abc.def.ghi'])('takes the token out of %j', async (authorization) => {
    const from = sources();
    expect(await readViewer({ authorization }, from)).toBe(session);
    expect(from.verifyToken.mock.calls).toEqual([['abc.def.ghi']]);
  });

  it.each(['', ' ', 'Bearer', 'Bearer ', 'Bearer a b', 'Bearer a ', ' Bearer a', 'Bearer\ta', 'Bearera', 'Basic abc', 'abc.def.ghi', 'Bearer a\nb'])('asks nobody about %j, and says what the header must be', async (authorization) => {
    const from = sources();
    const viewer = await readViewer({ authorization }, from);
    expect(viewer).toEqual({ kind: 'stranger', reason: 'The header authorization must be "Bearer" and an access token.' });
    expect(from.verifyToken).not.toHaveBeenCalled();
  });

  it('hands an API key on as it was sent, an empty one too', async () => {
    const from = sources();
    expect(await readViewer({ apiKey: 'auspex_x' }, from)).toBe(key);
    await readViewer({ apiKey: '' }, from);
    expect(from.findByApiKey.mock.calls).toEqual([['auspex_x'], ['']]);
    expect(from.verifyToken).not.toHaveBeenCalled();
  });

  it.each([
    ['Bearer good', 'auspex_good'],
    ['', 'auspex_good'],
    ['Bearer good', ''],
  ])('takes neither where both are sent: %j and %j', async (authorization, apiKey) => {
    const from = sources();
    expect(await readViewer({ authorization, apiKey }, from)).toMatchObject({ kind: 'stranger', reason: expect.stringContaining('not both') });
    expect(from.verifyToken).not.toHaveBeenCalled();
    expect(from.findByApiKey).not.toHaveBeenCalled();
  });

  it('gives back the stranger that a bad credential makes, with the reason', async () => {
    const stranger: Viewer = { kind: 'stranger', reason: 'too late' };
    expect(await readViewer({ authorization: 'Bearer x' }, { ...sources(), verifyToken: () => stranger })).toBe(stranger);
    expect(await readViewer({ apiKey: 'x' }, { ...sources(), findByApiKey: () => Promise.resolve(stranger) })).toBe(stranger);
  });

  it('lets a fault of the lookup through, so that an outage is not taken for a bad key', async () => {
    const failing: ViewerSources = { ...sources(), findByApiKey: () => Promise.reject(new Error('the database is away')) };
    await expect(readViewer({ apiKey: 'x' }, failing)).rejects.toThrow('the database is away');
  });
});
