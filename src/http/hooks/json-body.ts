import type { FastifyInstance } from 'fastify';
import { BadRequest } from '../../errors/app-error.js';
import { UnsupportedMediaType } from '../http-errors.js';

/** Maximum nesting depth. Code that walks a value, here and in libraries, recurses. */
const maxJsonDepth = 100;

/** Lists and objects that every body may have, and a long one for each character. Empty ones take ten times as long to parse as numbers. */
const maxJsonContainers = { base: 100_000, perCharacter: 0.1 };

/** Parses bodies as JSON in UTF-8, without a content coding, and rejects everything else. */
export function addJsonBody(server: FastifyInstance): void {
  const parseSafely = server.getDefaultJsonParser('error', 'error');
  server.addHook('preParsing', (request, reply, _payload, done) => {
    const coding = request.headers['content-encoding']?.trim().toLowerCase() ?? '';
    const isEncoded = request.method === 'POST' && coding !== '' && coding !== 'identity';
    // RFC 9110, 15.5.16: Accept-Encoding distinguishes a content coding from a media type.
    if (isEncoded) void reply.header('accept-encoding', 'identity');
    done(isEncoded ? new UnsupportedMediaType(encodedMessage(coding)) : null);
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    try {
      assertCharset(request.headers['content-type'] ?? '');
      const text = decoded(bytes);
      assertShallow(text, 'The request body');
      // It calls `done`, and rejects keys that would reach a prototype.
      void parseSafely(request, text, (error, body) =>
        done(error && hasNonFinite(text) ? nonFiniteNumber() : error, body),
      );
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

const encodedMessage = (coding: string): string =>
  `The content encoding ${coding.slice(0, 40)} is not supported; send the body without Content-Encoding.`;

const code = { quote: 0x22, backslash: 0x5c, open: 0x7b, close: 0x7d };

/**
 * A loop over the characters: searches by patterns are faster on long numbers, and several times slower on text that consists of brackets.
 * @throws BadRequest if lists and objects nest too deep, or are too many to be parsed at once
 */
export function assertShallow(json: string, what: string): void {
  let depth = 0;
  let containers = 0;
  let isInString = false;
  for (let at = 0; at < json.length; at += 1) {
    const character = json.charCodeAt(at);
    // This bit is all that distinguishes brackets from braces.
    const bracket = character | 0x20;
    if (isInString) {
      if (character === code.backslash) at += 1;
      else if (character === code.quote) isInString = false;
    } else if (character === code.quote) isInString = true;
    else if (bracket === code.close) depth -= 1;
    else if (bracket === code.open) {
      containers += 1;
      if ((depth += 1) > maxJsonDepth)
        throw new BadRequest(`${what} nests lists and objects deeper than ${maxJsonDepth}; send flatter JSON.`);
    }
  }
  const maxContainers = Math.max(maxJsonContainers.base, Math.floor(json.length * maxJsonContainers.perCharacter));
  if (containers > maxContainers)
    throw new BadRequest(`${what} has more than ${maxContainers} lists and objects; send less at a time.`);
}

/**
 * Whether the text has NaN or Infinity outside strings, as Python and pandas write them. Works on text that is no valid JSON, too, in
 * linear time.
 */
export function hasNonFinite(json: string): boolean {
  const pattern = /"|NaN|Infinity/g;
  while (pattern.test(json)) {
    const at = pattern.lastIndex - 1;
    if (json[at] !== '"') return true;
    pattern.lastIndex = endOfString(json, at) + 1;
  }
  return false;
}

/** The index of the quote that ends the string that begins at `start`; the length of the text if none does. */
function endOfString(json: string, start: number): number {
  let at = start;
  do {
    at = json.indexOf('"', at + 1);
    if (at === -1) return json.length;
  } while (isEscaped(json, at));
  return at;
}

/** Whether an odd number of backslashes precedes. */
function isEscaped(json: string, at: number): boolean {
  let first = at;
  while (json[first - 1] === '\\') first -= 1;
  return (at - first) % 2 === 1;
}

const nonFiniteNumber = (): BadRequest =>
  new BadRequest('The request body is not valid JSON: JSON has no NaN or Infinity. Send null for a missing number.');

function assertCharset(contentType: string): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1];
  if (charset === undefined || /^utf-?8$/i.test(charset)) return;
  throw new UnsupportedMediaType(
    `The charset ${charset.slice(0, 40)} is not supported; send the operation as application/json in UTF-8.`,
  );
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decoded(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new BadRequest('The request body is not UTF-8.');
  }
}
