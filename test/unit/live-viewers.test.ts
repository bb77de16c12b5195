import { describe, expect, it } from '@jest/globals';
import { LiveViewers, viewerTopic } from '../../src/auth/live-viewers.js';
import { Role, type KnownViewer } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { createLogger } from '../../src/shared/logger.js';
import { openPubSub } from '../../src/shared/pub-sub.js';
import { until } from '../kit/streams.js';

const silent = createLogger('silent');
const viewerOf = (over: Partial<KnownViewer> = {}): KnownViewer => ({
  kind: 'session', userId: newId(), role: Role.USER, employeeId: null, credentialId: newId(), scopes: [], ...over,
});

function watching(pollMs = 1_000_000) {
  const asked: number[] = [];
  const ended = new Map<string, string>();
  const state = { isDown: false };
  const pubSub = openPubSub({ logger: silent });
  const live = new LiveViewers({
    pubSub,
    log: silent,
    pollMs,
    whyEnded: (viewers) => {
      asked.push(viewers.length);
      if (state.isDown) return Promise.reject(new Error('the database is away'));
      return Promise.resolve(viewers.map(({ credentialId }) => ended.get(credentialId) ?? null));
    },
  });
  const reasons: string[] = [];
  const watch = (viewer: KnownViewer) => live.watch(viewer, ({ message }) => reasons.push(message));
  return { live, pubSub, asked, ended, reasons, watch, state };
}

describe('who has open streams', () => {
  it('is looked at before the first event, and let in where the credential is good', async () => {
    const { live, ended, watch } = watching();
    const viewer = viewerOf();
    const stop = await watch(viewer);
    expect(live.size).toBe(1);
    stop();
    stop();
    expect(live.size).toBe(0);
    ended.set(viewer.credentialId, 'gone');
    await expect(watch(viewer)).rejects.toMatchObject({ code: 'UNAUTHENTICATED', message: 'gone' });
    await expect(live.watch({ kind: 'stranger', reason: 'who?' }, () => {})).rejects.toThrow('who?');
    expect(live.size).toBe(0);
  });

  it('is looked at by one question for all, in which each credential stands once', async () => {
    const { live, asked, watch } = watching();
    const [one, other] = [viewerOf(), viewerOf()];
    await Promise.all([watch(one), watch(one), watch(one), watch(other)]);
    asked.splice(0);
    await live.check();
    expect(asked).toEqual([2]);
    live.close();
    expect(live.size).toBe(0);
  });

  it('is looked at again at once where something was told of the viewer, and not for others', async () => {
    const { pubSub, ended, reasons, watch, asked } = watching();
    const viewer = viewerOf();
    await watch(viewer);
    await watch(viewer);
    asked.splice(0);
    pubSub.publish(viewerTopic, { userId: newId() });
    pubSub.publish(viewerTopic, { credentialId: newId() });
    expect(asked).toEqual([]);
    pubSub.publish(viewerTopic, { userId: viewer.userId });
    await until(() => asked.length === 1);
    expect(reasons).toEqual([]);
    ended.set(viewer.credentialId, 'signed out');
    pubSub.publish(viewerTopic, { credentialId: viewer.credentialId });
    await until(() => reasons.length === 2);
    expect(reasons).toEqual(['signed out', 'signed out']);
  });

  it('stays where the database cannot tell, is ended when it is back, and by the clock in any case', async () => {
    const { live, ended, reasons, watch, state } = watching(20);
    const [viewer, short] = [viewerOf(), viewerOf({ expiresAt: new Date(Date.now() + 200) })];
    await Promise.all([watch(viewer), watch(short)]);
    state.isDown = true;
    ended.set(viewer.credentialId, 'revoked');
    await until(() => reasons.length === 1);
    expect(reasons).toEqual(['The access token has expired; refresh the session.']);
    state.isDown = false;
    await until(() => reasons.length === 2);
    expect(reasons[1]).toBe('revoked');
    expect(live.size).toBe(0);
  });

  it('may have a credential that is good for longer than a timer can wait', async () => {
    const { live, reasons, watch } = watching();
    await watch(viewerOf({ kind: 'apiKey', expiresAt: new Date(Date.now() + 400 * 86_400_000) }));
    await live.check();
    expect([reasons, live.size]).toEqual([[], 1]);
    live.close();
  });
});
