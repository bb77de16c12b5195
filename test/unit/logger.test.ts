import { describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import { createLogger } from '../../src/shared/logger.js';

/** The one line that logging this gives. */
function logged(entry: object): string {
  let text = '';
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  createLogger('info', sink).info(entry, 'message');
  return text;
}

const secrets = ['password', 'currentPassword', 'newPassword', 'accessToken', 'refreshToken', 'secret', 'authorization', 'cookie', 'x-api-key'];

describe('the log', () => {
  it.each(secrets)('shows %s on no level down to the third', (name) => {
    for (const entry of [{ [name]: 'hidden' }, { one: { [name]: 'hidden' } }, { one: { two: { [name]: 'hidden' } } }, { list: [{ [name]: 'hidden' }] }]) {
      const line = logged(entry);
      expect(line).toContain('[redacted]');
      expect(line).not.toContain('hidden');
    }
  });

  it('shows no credential of a request’s headers', () => {
    const line = logged({ request: { headers: { authorization: 'Bearer abc', 'x-api-key': 'def', cookie: 'ghi', accept: 'text/html' } } });
    expect(line).toContain('text/html');
    expect(line).not.toMatch(/abc|def|ghi/);
  });

  it('shows everything else, one JSON object a line, with its time', () => {
    const line = logged({ passwords: 3, requestId: 'r-1', err: new Error('broken') });
    expect(line.endsWith('\n')).toBe(true);
    expect(line.trim()).not.toContain('\n');
    expect(JSON.parse(line)).toMatchObject({ level: 30, msg: 'message', passwords: 3, requestId: 'r-1', err: { type: 'Error', message: 'broken' } });
    expect(JSON.parse(line)).toHaveProperty('time', expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/));
    expect(JSON.parse(line)).not.toHaveProperty('hostname');
  });

  it('says nothing below its level', () => {
    let lines = 0;
    const log = createLogger('warn', { write: () => (lines += 1) });
    log.info('no');
    log.warn('yes');
    expect(lines).toBe(1);
  });
});
