import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { createLogger } from '../../src/telemetry/logger.js';
import type { AnyData } from '../support/gateway.js';

const { version }: AnyData = JSON.parse(
  readFileSync(path.join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'),
);

/** Logs an entry. @returns the output */
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

const secrets = [
  'password',
  'currentPassword',
  'newPassword',
  'accessToken',
  'refreshToken',
  'secret',
  'authorization',
  'cookie',
  'x-api-key',
];

describe('the logger', () => {
  it.each(secrets)('redacts %s down to the third level', (name) => {
    for (const entry of [
      { [name]: 'hidden' },
      { one: { [name]: 'hidden' } },
      { one: { two: { [name]: 'hidden' } } },
      { list: [{ [name]: 'hidden' }] },
    ]) {
      const line = logged(entry);
      expect(line).toContain('[redacted]');
      expect(line).not.toContain('hidden');
    }
  });

  it('redacts credentials in request headers', () => {
    const line = logged({
      request: { headers: { authorization: 'Bearer abc', 'x-api-key': 'def', cookie: 'ghi', accept: 'text/html' } },
    });
    expect(line).toContain('text/html');
    expect(line).not.toMatch(/abc|def|ghi/);
  });

  it('logs everything else as one JSON object per line, with its time', () => {
    const line = logged({ passwords: 3, requestId: 'r-1', err: new Error('broken') });
    expect(line.endsWith('\n')).toBe(true);
    expect(line.trim()).not.toContain('\n');
    expect(JSON.parse(line)).toMatchObject({
      level: 'info',
      service: 'auspex',
      version,
      instance: `${hostname()}-${process.pid}`,
      msg: 'message',
      passwords: 3,
      requestId: 'r-1',
      err: { type: 'Error', message: 'broken' },
    });
    expect(JSON.parse(line)).toHaveProperty('time', expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/));
  });

  it('names the severity', () => {
    const levels: unknown[] = [];
    const log = createLogger('trace', { write: (line) => void levels.push(JSON.parse(line).level) });
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) log.child({})[level]('message');
    expect(levels).toEqual(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);
  });

  it('logs nothing below its level', () => {
    let lines = 0;
    const log = createLogger('warn', { write: () => (lines += 1) });
    log.info('no');
    log.warn('yes');
    expect(lines).toBe(1);
  });
});
