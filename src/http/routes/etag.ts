import { createHash, hash } from 'node:crypto';
import { inTurns, isLarge } from '../text-slices.js';

/**
 * A weak entity tag (RFC 9110, 8.8.3): equal responses have equal tags in any content type and encoding. A large text is hashed in
 * several turns of the event loop.
 */
export const etagOf = (body: string | Buffer): string | Promise<string> =>
  typeof body === 'string' && isLarge(body) ? etagInTurns(body) : tagOf(hash('sha256', body, 'base64url'));

async function etagInTurns(body: string): Promise<string> {
  const sum = createHash('sha256');
  await inTurns(body, (slice) => sum.update(slice));
  return tagOf(sum.digest('base64url'));
}

const tagOf = (digest: string): string => `W/"${digest}"`;

/** Whether `If-None-Match` names the tag, by weak comparison. */
export function isNamed(etag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return [...ifNoneMatch.matchAll(/"[^"]*"/g)].some(([opaque]) => etag.endsWith(opaque));
}
