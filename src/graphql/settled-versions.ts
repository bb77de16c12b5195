/**
 * Whether what was changed can be seen on every server that is read from. A version that is met for the first time may stand for
 * a change of a moment ago; once it has been known for as long as a replica may be behind, each replica in use has that change.
 * So an answer that a replica gave is never kept as one of after the change.
 */
export class SettledVersions {
  /** Bounded by the entities that there are. */
  readonly #known = new Map<string, { version: string; sinceMs: number }>();

  /** @param settleMs how far behind a server may be that is read from; 0: none is behind */
  constructor(private readonly settleMs: number) {}

  /** @param versions of the entities, in their order, as they are now */
  areSettled(entities: readonly string[], versions: readonly string[], nowMs = performance.now()): boolean {
    if (this.settleMs === 0) return true;
    // All of them, that each is known from now on.
    return entities.map((entity, index) => this.#isSettled(entity, versions[index] ?? '', nowMs)).every(Boolean);
  }

  #isSettled(entity: string, version: string, nowMs: number): boolean {
    const known = this.#known.get(entity);
    if (known?.version === version) return nowMs - known.sinceMs >= this.settleMs;
    this.#known.set(entity, { version, sinceMs: nowMs });
    return false;
  }
}
