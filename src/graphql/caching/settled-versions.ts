/**
 * Decides whether every replica in use has the last changes of entities. A new version of an entity may be a change that a replica
 * does not have yet; once the version has been known for the maximum replication lag, all of them have it. So a stale response
 * of a replica is never cached under the version after the change.
 */
export class SettledVersions {
  /** Bounded by the number of entities. */
  readonly #known = new Map<string, { version: string; sinceMs: number }>();

  /** @param settleMs the maximum replication lag; 0 without replicas */
  constructor(private readonly settleMs: number) {}

  /** @param versions the current versions, in the order of the entities */
  areSettled(entities: readonly string[], versions: readonly string[], nowMs = performance.now()): boolean {
    if (this.settleMs === 0) return true;
    // Not `every`, so that each version is recorded.
    return entities.map((entity, index) => this.#isSettled(entity, versions[index] ?? '', nowMs)).every(Boolean);
  }

  #isSettled(entity: string, version: string, nowMs: number): boolean {
    const known = this.#known.get(entity);
    if (known?.version === version) return nowMs - known.sinceMs >= this.settleMs;
    this.#known.set(entity, { version, sinceMs: nowMs });
    return false;
  }
}
