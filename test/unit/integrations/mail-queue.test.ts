import { describe, expect, it } from '@jest/globals';
import { MailQueue } from '../../../src/integrations/mail/mail-queue.js';
import type { Mail, MailTransport } from '../../../src/integrations/mail/mail-transport.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { waitUntil } from '../../support/wait-until.js';

const log = createLogger('silent');
const mailTo = (to: string): Mail => ({ to, subject: 'Subject', text: 'Text' });
const task = (to: string) => () => Promise.resolve(mailTo(to));

/** A transport that fails with the given errors first. */
function transportOf(errors: Error[] = [], gate: Promise<undefined> = Promise.resolve(undefined)) {
  const sent: string[] = [];
  let attempts = 0;
  const transport: MailTransport = {
    isDelivering: true,
    async send({ to }) {
      attempts += 1;
      await gate;
      const error = errors.shift();
      if (error) throw error;
      sent.push(to);
    },
    close: () => undefined,
  };
  return { transport, sent, attempts: () => attempts };
}

describe('MailQueue', () => {
  it('runs no task before its caller continues, and sends nothing for null', async () => {
    const { transport, sent } = transportOf();
    const queue = new MailQueue({ transport, log });
    const steps: string[] = [];
    queue.add(() => {
      steps.push('task');
      return Promise.resolve(null);
    });
    await Promise.resolve();
    steps.push('caller');
    queue.add(task('ada@example.org'));
    await waitUntil(() => queue.length === 0);
    expect(steps).toEqual(['caller', 'task']);
    expect(sent).toEqual(['ada@example.org']);
    await queue.close();
  });

  it('drops messages past its bound, and counts them', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const { transport, sent, attempts } = transportOf([], promise);
    const queue = new MailQueue({ transport, log, maxWaiting: 3 });
    for (let at = 1; at <= 2; at++) queue.add(task(`running${at}`));
    await waitUntil(() => attempts() === 2);
    expect(['a', 'b', 'c', 'd', 'e'].map((to) => queue.add(task(to)))).toEqual([true, true, true, false, false]);
    expect([queue.length, queue.lost]).toEqual([5, 2]);
    resolve(undefined);
    await waitUntil(() => queue.length === 0);
    expect(sent.sort()).toEqual(['a', 'b', 'c', 'running1', 'running2']);
    await queue.close();
  });

  it('retries a message, and drops it after the last attempt', async () => {
    const failures = Array.from({ length: 4 }, () => new Error('The server is down.'));
    const { transport, sent, attempts } = transportOf(failures);
    const queue = new MailQueue({ transport, log, retryDelaysMs: [1, 1] });
    queue.add(task('lost'));
    await waitUntil(() => queue.length === 0);
    expect([attempts(), queue.lost, sent]).toEqual([3, 1, []]);
    queue.add(task('late'));
    await waitUntil(() => queue.length === 0);
    expect([attempts(), queue.lost, sent]).toEqual([5, 1, ['late']]);
    await queue.close();
  });

  it('does not retry what the server rejects for good', async () => {
    const { transport, attempts } = transportOf([Object.assign(new Error('No such mailbox'), { responseCode: 550 })]);
    const queue = new MailQueue({ transport, log, retryDelaysMs: [1, 1] });
    queue.add(task('nobody'));
    await waitUntil(() => queue.length === 0);
    expect([attempts(), queue.lost]).toEqual([1, 1]);
    await queue.close();
  });

  it('continues after a task that throws', async () => {
    const { transport, sent } = transportOf();
    const queue = new MailQueue({ transport, log });
    queue.add(() => Promise.reject(new Error('The database is down.')));
    queue.add(task('next'));
    await waitUntil(() => queue.length === 0);
    expect([sent, queue.lost]).toEqual([['next'], 1]);
    await queue.close();
  });

  it('sends what waits when it closes, and accepts nothing afterwards', async () => {
    const { transport, sent } = transportOf();
    const queue = new MailQueue({ transport, log });
    for (const to of ['a', 'b', 'c']) queue.add(task(to));
    await queue.close();
    expect(sent.sort()).toEqual(['a', 'b', 'c']);
    expect(queue.add(task('late'))).toBe(false);
  });
});
