import { hash } from 'node:crypto';

/** A weak entity tag (RFC 9110, 8.8.3): equal responses have equal tags in any content type and encoding. */
export const etagOf = (body: string | Buffer): string => `W/"${hash('sha256', body, 'base64url')}"`;

/** Whether `If-None-Match` names the tag, by weak comparison. */
export function isNamed(etag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return [...ifNoneMatch.matchAll(/"[^"]*"/g)].some(([opaque]) => etag.endsWith(opaque));
}
