/** Where an item of a queue belongs, and how much of the service it takes. */
export interface Share {
  /** What shares the service fairly, such as a caller. */
  flow: string;
  /** Units of service, such as rows. */
  cost: number;
  /** A flow of weight 4 gets four times the service of one of weight 1; 1 by default. */
  weight?: number;
}

interface Entry<Item> extends Share {
  item: Item;
  /** When its service starts, in virtual time. */
  start: number;
}

/** Idle flows whose last item is remembered, beside those that wait. */
const maxIdleFlows = 1000;

/**
 * A queue that serves flows fairly: start-time fair queueing (Goyal, Vin and Cheng, 1996). In virtual time an item starts when
 * the one before it of its flow has been served; items are taken by their start. Flows that wait get service in proportion to
 * their weights, and an item of a flow that was idle is next, whatever others have queued.
 */
export class FairQueue<Item> {
  #entries: Entry<Item>[] = [];
  /** When the last item of each flow will have been served. */
  readonly #ends = new Map<string, number>();
  #now = 0;

  get length(): number {
    return this.#entries.length;
  }

  /** The item that `shift` would remove. */
  get next(): Item | undefined {
    return this.#entries[0]?.item;
  }

  push(item: Item, share: Share): void {
    const start = this.#reserve(share);
    // Behind the items of the same start.
    let low = 0;
    for (let high = this.#entries.length; low < high;) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.start ?? Infinity) <= start) low = middle + 1;
      else high = middle;
    }
    this.#entries.splice(low, 0, { ...share, item, start });
  }

  /** Counts service that a flow got beyond its items. Its next items start later. */
  charge(share: Share): void {
    this.#reserve(share);
  }

  /** Removes the accepted items. @param accepts called with every item, in the order of service @returns the accepted ones */
  take(accepts: (item: Item) => boolean): Item[] {
    const taken: Item[] = [];
    const left: Entry<Item>[] = [];
    for (const entry of this.#entries) {
      if (!accepts(entry.item)) {
        left.push(entry);
        continue;
      }
      taken.push(entry.item);
      this.#now = Math.max(this.#now, entry.start);
    }
    this.#entries = left;
    this.#dropIdleFlows();
    return taken;
  }

  /** Removes the next item. */
  shift(): Item | undefined {
    const next = this.#entries.shift();
    if (next) this.#now = Math.max(this.#now, next.start);
    this.#dropIdleFlows();
    return next?.item;
  }

  /** Removes an item without serving it. @returns whether it was queued */
  remove(item: Item): boolean {
    const index = this.#entries.findIndex((entry) => entry.item === item);
    if (index < 0) return false;
    this.#entries.splice(index, 1);
    return true;
  }

  /** The item of a flow that is served last. */
  lastOf(flow: string): Item | undefined {
    return this.#entries.findLast((entry) => entry.flow === flow)?.item;
  }

  /** @returns when the service starts */
  #reserve({ flow, cost, weight = 1 }: Share): number {
    const start = Math.max(this.#now, this.#ends.get(flow) ?? 0);
    this.#ends.set(flow, start + cost / weight);
    return start;
  }

  /** A flow that was served before now is like a new one. */
  #dropIdleFlows(): void {
    if (this.#ends.size <= this.#entries.length + maxIdleFlows) return;
    for (const [flow, end] of this.#ends) if (end <= this.#now) this.#ends.delete(flow);
  }
}
