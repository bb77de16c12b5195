import type { FastifyInstance } from 'fastify';
import { BadRequest } from '../shared/errors.js';
import { UnsupportedMediaType } from './refusals.js';

/** Lists and objects in each other. What walks through a value, here and in libraries, does so by calls that lie on the stack. */
const maxJsonDepth = 100;

/** Bodies as JSON in UTF-8, and nothing else: whatever is not is refused, never guessed at. */
export function addJsonBody(server: FastifyInstance): void {
  const parseSafely = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    try {
      assertCharset(request.headers['content-type'] ?? '');
      const text = decoded(bytes);
      assertShallow(text, 'The request body');
      // It answers through `done`, and refuses keys that would reach a prototype.
      void parseSafely(request, text, done);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

/** @throws BadRequest where lists and objects lie too deep in each other */
export function assertShallow(json: string, what: string): void {
  let depth = 0;
  let isInText = false;
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at];
    if (isInText) {
      if (character === '\\') at += 1;
      else if (character === '"') isInText = false;
    } else if (character === '"') isInText = true;
    else if (character === '[' || character === '{') {
      depth += 1;
      if (depth > maxJsonDepth) throw new BadRequest(`${what} nests lists and objects deeper than ${maxJsonDepth}; send flatter JSON.`);
    } else if (character === ']' || character === '}') depth -= 1;
  }
}

function assertCharset(contentType: string): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1];
  if (charset === undefined || /^utf-?8$/i.test(charset)) return;
  throw new UnsupportedMediaType(`The charset ${charset.slice(0, 40)} is not read; send the operation as application/json in UTF-8.`);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decoded(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new BadRequest('The request body is not UTF-8.');
  }
}
