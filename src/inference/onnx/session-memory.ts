/** A loaded session that can be freed and loaded again. */
export interface Resident {
  /** Estimated memory of the session. */
  readonly bytes: number;
  /** Whether it runs now; it is not freed then. */
  readonly isBusy: boolean;
  /** Frees the session, and removes it from the memory. The next run of its graph loads it again. */
  evict(): void;
}

/**
 * The sessions of all graphs and threads, least recently used first. Beyond the budget the sessions that have not run for longest are
 * freed. A session that exceeds the budget alone is loaded nevertheless: a slow model is better than none.
 */
export class SessionMemory {
  readonly #residents = new Set<Resident>();
  #bytes = 0;

  constructor(private readonly budgetBytes: number) {}

  /** Estimated memory of all sessions. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts a loaded session, and frees others while the budget is exceeded. */
  add(resident: Resident): void {
    this.#residents.add(resident);
    this.#bytes += resident.bytes;
    for (const other of [...this.#residents]) {
      if (this.#bytes <= this.budgetBytes) return;
      if (other !== resident && !other.isBusy) other.evict();
    }
  }

  /** Notes a run of the session. */
  touch(resident: Resident): void {
    if (this.#residents.delete(resident)) this.#residents.add(resident);
  }

  /** Stops counting a session that was freed or lost with its thread. */
  remove(resident: Resident): void {
    if (this.#residents.delete(resident)) this.#bytes -= resident.bytes;
  }
}
