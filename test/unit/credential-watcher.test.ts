import { describe, expect, it } from '@jest/globals';
import { CredentialChanges, type CredentialChange } from '../../src/auth/credential-changes.js';
import { CredentialWatcher } from '../../src/auth/credential-watcher.js';
import type { AuthenticatedViewer } from '../../src/auth/viewer.js';
import { newId } from '../../src/database/base.entity.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { waitUntil } from '../support/wait-until.js';
import { viewerOf } from '../support/viewers.js';

const silent = createLogger('silent');

const userChange = (id: string): CredentialChange => ({ kind: 'user', id, changedAt: new Date(), user: null });
const sessionEnd = (id: string): CredentialChange => ({ kind: 'session', id, changedAt: new Date() });

function createWatcher(pollMs = 1_000_000) {
  /** Viewers of each check. */
  const checks: number[] = [];
  const ended = new Map<string, string>();
  const state = { isDown: false };
  const changes = new CredentialChanges(60_000);
  const watcher = new CredentialWatcher({
    changes,
    log: silent,
    pollMs,
    endReasons: (viewers) => {
      checks.push(viewers.length);
      if (state.isDown) return Promise.reject(new Error('the database is unavailable'));
      return Promise.resolve(viewers.map(({ credentialId }) => ended.get(credentialId) ?? null));
    },
  });
  const reasons: string[] = [];
  const watch = (viewer: AuthenticatedViewer) => watcher.watch(viewer, ({ message }) => reasons.push(message));
  return { watcher, changes, checks, ended, reasons, watch, state };
}

describe('CredentialWatcher', () => {
  it('watches a valid credential and rejects an ended or anonymous one', async () => {
    const { watcher, ended, watch } = createWatcher();
    const viewer = viewerOf();
    const stop = await watch(viewer);
    expect(watcher.size).toBe(1);
    stop();
    stop();
    expect(watcher.size).toBe(0);
    ended.set(viewer.credentialId, 'gone');
    await expect(watch(viewer)).rejects.toMatchObject({ code: 'UNAUTHENTICATED', message: 'gone' });
    await expect(watcher.watch({ kind: 'anonymous', reason: 'no credential' }, () => {})).rejects.toThrow(
      'no credential',
    );
    expect(watcher.size).toBe(0);
  });

  it('checks all credentials with one call, each of them once', async () => {
    const { watcher, checks, watch } = createWatcher();
    const [one, other] = [viewerOf(), viewerOf()];
    await Promise.all([watch(one), watch(one), watch(one), watch(other)]);
    checks.splice(0);
    await watcher.check();
    expect(checks).toEqual([2]);
    watcher.close();
    expect(watcher.size).toBe(0);
  });

  it('checks at once after a hint about a watched viewer, and not after others', async () => {
    const { changes, ended, reasons, watch, checks } = createWatcher();
    const viewer = viewerOf();
    await watch(viewer);
    await watch(viewer);
    checks.splice(0);
    changes.add([userChange(newId())]);
    changes.add([sessionEnd(newId())]);
    expect(checks).toEqual([]);
    changes.add([userChange(viewer.userId)]);
    await waitUntil(() => checks.length === 1);
    expect(reasons).toEqual([]);
    ended.set(viewer.credentialId, 'signed out');
    changes.add([sessionEnd(viewer.credentialId)]);
    await waitUntil(() => reasons.length === 2);
    expect(reasons).toEqual(['signed out', 'signed out']);
  });

  it('keeps streams while checks fail, ends them once checks recover, and ends expired ones anyway', async () => {
    const { watcher, ended, reasons, watch, state } = createWatcher(20);
    const [viewer, short] = [viewerOf(), viewerOf({ expiresAt: new Date(Date.now() + 200) })];
    await Promise.all([watch(viewer), watch(short)]);
    state.isDown = true;
    ended.set(viewer.credentialId, 'revoked');
    await waitUntil(() => reasons.length === 1);
    expect(reasons).toEqual(['The access token has expired; refresh the session.']);
    state.isDown = false;
    await waitUntil(() => reasons.length === 2);
    expect(reasons[1]).toBe('revoked');
    expect(watcher.size).toBe(0);
  });

  it('watches a credential that expires beyond the longest timer', async () => {
    const { watcher, reasons, watch } = createWatcher();
    await watch(viewerOf({ kind: 'apiKey', expiresAt: new Date(Date.now() + 400 * 86_400_000) }));
    await watcher.check();
    expect([reasons, watcher.size]).toEqual([[], 1]);
    watcher.close();
  });
});
