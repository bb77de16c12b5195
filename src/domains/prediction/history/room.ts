import { setTimeout as sleep } from 'node:timers/promises';

/** The least part of the room that calls of a few rows have for themselves: an eighth. */
const smallCallShare = 8;
/** A call up to this part of the room is small. */
const smallCallPart = 1024;

/** A call that waits for room. */
interface Waiter {
  bytes: number;
  admit: () => void;
}

/**
 * A bounded number of bytes that calls reserve before they have them. Calls wait in the order of their arrival; small ones
 * have an eighth of the room for themselves and do not queue behind large ones.
 */
export class Room {
  readonly #waiting = new Set<Waiter>();
  #reserved = 0;

  constructor(readonly capacity: number) {}

  /** Reserved bytes. May exceed the capacity where calls turned out larger than they had reserved. */
  get reserved(): number {
    return this.#reserved;
  }

  /** Reserves bytes, and waits for them if necessary. @returns false if there was no room in time */
  async reserve(
    bytes: number,
    { waitMs, signal }: { waitMs: number; signal?: AbortSignal | undefined },
  ): Promise<boolean> {
    if (this.#fits(bytes) && (this.#isSmall(bytes) || this.#waiting.size === 0)) {
      this.#reserved += bytes;
      return true;
    }
    const { promise: admitted, resolve } = Promise.withResolvers<true>();
    const waiter = { bytes, admit: () => resolve(true) };
    this.#waiting.add(waiter);
    const timer = new AbortController();
    const over = AbortSignal.any([timer.signal, ...(signal ? [signal] : [])]);
    const isAdmitted = await Promise.race([admitted, sleep(waitMs, false, { signal: over }).catch(() => false)]);
    timer.abort();
    // Admitted in the same turn as the time ended: the room is reserved.
    return isAdmitted || !this.#waiting.delete(waiter);
  }

  /** Corrects a reservation to what the call needs; negative releases. */
  adjust(bytes: number): void {
    this.#reserved += bytes;
    if (bytes >= 0) return;
    let isBlocked = false;
    for (const waiter of this.#waiting) {
      isBlocked ||= !this.#fits(waiter.bytes);
      if (isBlocked && !(this.#isSmall(waiter.bytes) && this.#fits(waiter.bytes))) continue;
      this.#waiting.delete(waiter);
      this.#reserved += waiter.bytes;
      waiter.admit();
    }
  }

  /** A call larger than the room is admitted alone: it could never run otherwise. */
  #fits(bytes: number): boolean {
    const limit = this.#isSmall(bytes) ? this.capacity : this.capacity - this.capacity / smallCallShare;
    return this.#reserved === 0 || this.#reserved + bytes <= limit;
  }

  #isSmall(bytes: number): boolean {
    return bytes <= this.capacity / smallCallPart;
  }
}
