import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { createLogger, createProcessLogger, withoutRedaction } from '../../src/telemetry/logger.js';
import type { AnyData } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';

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

describe('the logger of the process', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'auspex-log-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('writes a fatal line at once, after the lines before it', () => {
    const file = path.join(folder, 'fatal');
    const fd = openSync(file, 'w');
    const log = createProcessLogger('info', fd);
    log.info('first');
    log.fatal('last');
    expect(messagesOf(readFileSync(file, 'utf8'))).toEqual(['first', 'last']);
    closeSync(fd);
  });

  it('drops lines while nobody reads them, and reports their number', async () => {
    const pipe = path.join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    // Opened for reading too, so that neither end waits for the other.
    const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    const log = createProcessLogger('info', fd);
    const lines = 12_000;
    for (let line = 0; line < lines; line += 1) log.info({ text: 'x'.repeat(1_000) }, 'line');
    const child = spawn('cat', [pipe], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    try {
      await waitUntil(() => text.includes('log lines dropped') && text.endsWith('\n'), 'the report', 20_000);
      const entries = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      const written = entries.filter(({ msg }) => msg === 'line').length;
      expect(written).toBeLessThan(lines);
      const dropped = entries.map(({ lines }) => Number(lines ?? 0)).reduce((sum, count) => sum + count, 0);
      expect(written + dropped).toBe(lines);
    } finally {
      child.kill();
      closeSync(fd);
    }
  });
});

describe('a logger without redaction', () => {
  it('logs the fields as they are, with those of its parent', () => {
    const lines: string[] = [];
    const log = withoutRedaction(
      createLogger('info', { write: (line) => void lines.push(line) }).child({ part: 'http' }),
    );
    log.info({ address: '10.0.0.1' }, 'operation');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ level: 'info', part: 'http', address: '10.0.0.1', msg: 'operation' }),
    ]);
  });
});

const messagesOf = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).msg as unknown);
