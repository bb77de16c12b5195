import { randomFillSync } from 'node:crypto';
import type { Opt } from '@mikro-orm/core';
import { PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { v7 } from 'uuid';

/** Random bytes for many ids: a call of the random source costs five times as much as the rest of an id. */
const random = Buffer.allocUnsafeSlow(16 * 256);
let nextRandom = random.length;
/** Reused for each id. */
const drawn = Buffer.alloc(16);
const id = Buffer.alloc(16);
const idText = Buffer.alloc(36, '-');
let lastMs = -Infinity;
let sequence = 0;

/**
 * A new id: UUIDv7, so that ids sort by the time they were made and indexes grow at their end. Within a millisecond a sequence of
 * 32 bits counts up (RFC 9562, 6.2, method 1), so that an id is greater than those that this process made before.
 */
export function newId(): string {
  if (nextRandom === random.length) {
    randomFillSync(random);
    nextRandom = 0;
  }
  random.copy(drawn, 0, nextRandom, (nextRandom += 16));
  const nowMs = Date.now();
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // Half of the range is left to count in.
    sequence = drawn.readUInt32BE(6) >>> 1;
  } else {
    sequence = (sequence + 1) >>> 0;
    if (sequence === 0) lastMs += 1;
  }
  return textOf(v7({ random: drawn, msecs: lastMs, seq: sequence }, id));
}

const hexDigits = Buffer.from('0123456789abcdef');
/** Where the digits of each byte are in the text of a UUID. */
const digitsOfByte = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** The text in one piece: a concatenation of its parts takes ten times the memory. */
function textOf(uuid: Uint8Array): string {
  for (let index = 0; index < 16; index += 1) {
    const byte = uuid[index] ?? 0;
    const at = digitsOfByte[index] ?? 0;
    idText[at] = hexDigits[byte >> 4] ?? 0;
    idText[at + 1] = hexDigits[byte & 15] ?? 0;
  }
  return idText.toString('latin1');
}

/** The least and the greatest UUIDv7 (RFC 9562, 5.7) of a time in milliseconds, clamped to the range of UUIDv7. */
export const firstIdAt = (ms: number): string => `${timeOfId(ms)}-7000-8000-000000000000`;
export const lastIdAt = (ms: number): string => `${timeOfId(ms)}-7fff-bfff-ffffffffffff`;

/** The time in a UUIDv7, in milliseconds. */
export const timeOf = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

const maxIdTime = 2 ** 48 - 1;

function timeOfId(ms: number): string {
  const digits = Math.min(Math.max(ms, 0), maxIdTime).toString(16).padStart(12, '0');
  return `${digits.slice(0, 8)}-${digits.slice(8)}`;
}

/** What every table has. */
export abstract class BaseEntity {
  @PrimaryKey({ type: 'uuid' })
  id: Opt<string> = newId();

  @Property({ type: 'timestamptz', length: 3, defaultRaw: 'now()' })
  createdAt: Opt<Date> = new Date();

  @Property({ type: 'timestamptz', length: 3, defaultRaw: 'now()', onUpdate: () => new Date() })
  updatedAt: Opt<Date> = new Date();
}
