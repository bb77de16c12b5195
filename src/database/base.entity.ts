import type { Opt } from '@mikro-orm/core';
import { PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { v7 } from 'uuid';

/** A new id: UUIDv7, so that ids sort by the time they were made and indexes grow at their end. */
export const newId = (): string => v7();

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
