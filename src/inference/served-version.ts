import { Overloaded, TimedOut } from '../shared/errors.js';
import { isTracing, spanHere, tracedForAll } from '../shared/tracing.js';
import type { LoadedGraph } from './backend/backend.js';
import { Batcher } from './batcher.js';
import type { Serving } from './manifest.js';
import type { ModelVersion } from './model.js';
import { cacheKey, fingerprintOf, type CachedAnswer, type PredictionCache } from './prediction-cache.js';
import { fromTensors, toTensors, type EncodedRow, type RowAnswer, type Signature } from './signature.js';
import { Flight, FlightFailed, Wait, type Outcome } from './single-flight.js';
import { VersionCounters } from './statistics.js';

/** What a version is made of. */
export interface VersionParts {
  /** The folder's name. */
  model: string;
  version: Omit<ModelVersion, 'statistics'>;
  signature: Signature;
  graph: LoadedGraph;
  serving: Serving;
  cache: PredictionCache;
}

/** How long a call waits, and for whom. */
export interface Patience {
  deadlineMs: number;
  signal?: AbortSignal | undefined;
}

/** Rows on their way, beside those in the queue, that wait for the cache: so many times the queue's bound. */
const flightsPerQueuePlace = 4;

const idleCheckMs = 20;

/**
 * A version that is loaded, and the one way from its rows to their answers: join what is already on its way, look into
 * the cache, let another process finish what it has claimed, and run the rest.
 */
export class ServedVersion {
  readonly model: string;
  readonly signature: Signature;
  readonly fingerprint: string;
  readonly counters = new VersionCounters();
  readonly version: ModelVersion;
  readonly #graph: LoadedGraph;
  readonly #cache: PredictionCache;
  readonly #batcher: Batcher<RowAnswer, Flight>;
  readonly #flights = new Map<string, Flight>();
  readonly #toRelease: string[] = [];
  #serving: Serving;
  #users = 0;
  #becameIdle: (() => void) | null = null;

  constructor({ model, version, signature, graph, serving, cache }: VersionParts) {
    this.model = model;
    this.signature = signature;
    this.fingerprint = fingerprintOf(model, version.digest, signature);
    this.version = { ...version, statistics: this.counters };
    this.#graph = graph;
    this.#cache = cache;
    this.#serving = serving;
    this.#batcher = new Batcher({ run: (flights) => this.#tracedRun(flights), room: () => graph.room() }, this.counters, serving);
  }

  get serving(): Serving {
    return this.#serving;
  }

  /** Takes other limits from the manifest; what waits already goes on as it is. */
  configure(serving: Serving, metrics: ModelVersion['metrics']): void {
    this.#serving = serving;
    this.#batcher.limits = serving;
    this.version.metrics = metrics;
  }

  /** The key of a row's answer. */
  keyOf(row: EncodedRow): string {
    return cacheKey(this.fingerprint, row);
  }

  /** Keeps the version loaded while `use` is under way. */
  async using<Result>(use: () => Promise<Result>): Promise<Result> {
    this.#users += 1;
    try {
      return await use();
    } finally {
      this.#users -= 1;
      this.#noteIdle();
    }
  }

  /**
   * The outcomes of different rows, by key, which is `keyOf` each.
   * @throws Overloaded, TimedOut, the signal's reason, or FlightFailed with what the model threw
   */
  async answer(rows: ReadonlyMap<string, EncodedRow>, { deadlineMs, signal }: Patience): Promise<Map<string, Outcome>> {
    if (this.#flights.size > flightsPerQueuePlace * this.#serving.maxQueue) {
      throw new Overloaded('Too many predictions are under way for this model.');
    }
    const begun: Flight[] = [];
    const flights = Array.from(rows, ([key, row]) => {
      const known = this.#flights.get(key);
      if (known) return known;
      const flight = new Flight(key, row, (landed) => this.#landed(landed));
      this.#flights.set(key, flight);
      begun.push(flight);
      return flight;
    });
    const wait = new Wait(flights);
    void this.#fly(begun);
    try {
      await wait.settled(deadlineMs, signal);
    } catch (error) {
      this.#withdrawUnwanted(flights);
      return this.#standIns(flights, error);
    }
    return outcomesOf(flights);
  }

  /** Frees the model's memory once nobody uses it. No call may begin any more. */
  async retire(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#becameIdle = resolve;
      this.#noteIdle();
    });
    await this.#graph.close();
  }

  get #isIdle(): boolean {
    return this.#users === 0 && this.#flights.size === 0 && this.#batcher.isIdle;
  }

  #noteIdle(): void {
    if (!this.#becameIdle) return;
    // A run that nobody waits for any more ends after the last call.
    if (this.#isIdle) this.#becameIdle();
    else setTimeout(() => this.#noteIdle(), idleCheckMs).unref();
  }

  /** Brings flights to their end. It never throws: what goes wrong, goes to those who wait. */
  async #fly(begun: readonly Flight[]): Promise<void> {
    if (begun.length === 0) return;
    let flying = begun;
    try {
      flying = await this.#landCached(flying);
      flying = await this.#landComputedElsewhere(flying);
      this.#batcher.submit(flying);
    } catch (error) {
      for (const flight of flying) flight.fail(error);
    }
  }

  /** Lands what the cache knows; answers the flights that are still in the air and wanted. */
  async #landCached(flights: readonly Flight[]): Promise<Flight[]> {
    const cached = await this.#cache.getMany(
      this,
      flights.map(({ key }) => key),
    );
    const knownAt = performance.now();
    for (const [index, flight] of flights.entries()) {
      const found = cached[index];
      if (!found) continue;
      if (this.#cache.isFresh(found)) landFromCache(flight, found, knownAt);
      else if (this.#serving.staleSeconds > 0) flight.stale = { answer: { kind: 'answered', output: found.output }, computedAt: found.computedAt };
    }
    const missing = flights.filter(({ outcome }) => !outcome);
    this.counters.cacheHits += flights.length - missing.length;
    this.counters.cacheMisses += missing.length;
    return this.#stillWanted(missing);
  }

  /** Lands what another process is computing at this moment; answers the flights that are this process's to compute. */
  async #landComputedElsewhere(flights: readonly Flight[]): Promise<Flight[]> {
    const byKey = new Map(flights.map((flight) => [flight.key, flight]));
    const ours = await this.#cache.claim([...byKey.keys()]);
    if (ours.size === flights.length) return this.#stillWanted(flights);
    const theirs = flights.filter(({ key }) => !ours.has(key));
    // Not awaited: rows of this process need not wait for those of another.
    void this.#awaitElsewhere(theirs);
    return this.#stillWanted(flights.filter(({ key }) => ours.has(key)));
  }

  async #awaitElsewhere(flights: readonly Flight[]): Promise<void> {
    const byKey = new Map(flights.map((flight) => [flight.key, flight]));
    try {
      await this.#cache.awaitElsewhere(this, [...byKey.keys()], (key, answer) => {
        const flight = byKey.get(key);
        if (flight && !flight.outcome) landFromCache(flight, answer, performance.now());
      });
      this.#batcher.submit(this.#stillWanted(flights.filter(({ outcome }) => !outcome)));
    } catch (error) {
      for (const flight of flights) if (!flight.outcome) flight.fail(error);
    }
  }

  /** A span below one of the requests that wait for the run, linked to the others'. */
  #tracedRun(flights: readonly Flight[]): Promise<{ answers: RowAnswer[]; computeMs: number }> {
    if (!isTracing()) return this.#run(flights);
    const origins = new Set(flights.flatMap((flight) => flight.origins().filter((origin) => origin !== null)));
    const describe = () => ({ 'auspex.model.name': this.model, 'auspex.model.version': this.version.version, 'auspex.model.rows': flights.length });
    return tracedForAll(`onnx.run ${this.model}`, origins, describe, () => this.#run(flights));
  }

  /** One run for all the rows that the batcher joined, and one write to the cache for their answers. */
  async #run(flights: readonly Flight[]): Promise<{ answers: RowAnswer[]; computeMs: number }> {
    for (const flight of flights) flight.isRunning = true;
    const feeds = toTensors(
      this.signature,
      flights.map(({ row }) => row),
    );
    const { outputs, computeMs } = await this.#graph.run(feeds, flights.length, hangMsOf(this.#serving));
    spanHere()?.setAttribute('auspex.model.compute_ms', computeMs);
    const answers = fromTensors(this.signature, outputs, flights.length);
    // Before those who wait are told: who asks again then, finds it.
    this.#remember(flights, answers);
    return { answers, computeMs };
  }

  #remember(flights: readonly Flight[], answers: readonly RowAnswer[]): void {
    const computedAt = Date.now();
    const known: { key: string; answer: CachedAnswer }[] = [];
    for (const [index, { key }] of flights.entries()) {
      const answer = answers[index];
      if (answer?.kind === 'answered') known.push({ key, answer: { output: answer.output, computedAt } });
      else this.#releaseSoon(key);
    }
    this.#cache.writeBehind(known, this.#serving.staleSeconds);
  }

  /** Lets other processes compute a row that has no answer here; one round trip for all of one turn. */
  #releaseSoon(key: string): void {
    if (this.#toRelease.length === 0) setImmediate(() => this.#cache.release(this.#toRelease.splice(0)));
    this.#toRelease.push(key);
  }

  /** Expired answers for the rows that have none, where every one of them has such. */
  #standIns(flights: readonly Flight[], error: unknown): Map<string, Outcome> {
    const isAboutModel = error instanceof FlightFailed || error instanceof TimedOut;
    if (!isAboutModel || flights.some(({ outcome, stale }) => !outcome && !stale)) throw error;
    const knownAt = performance.now();
    return new Map(flights.map(({ key, outcome, stale }) => [key, outcome ?? { ...known(stale), source: 'STALE', knownAt }]));
  }

  /** Frees the places of rows that nobody waits for any more, but for those that are being run. */
  #withdrawUnwanted(flights: readonly Flight[]): void {
    const given = flights.filter((flight) => !flight.isWanted && !flight.outcome && !flight.isRunning);
    for (const flight of given) {
      this.#batcher.withdraw(flight);
      this.#forget(flight);
      this.#releaseSoon(flight.key);
    }
  }

  /** Those that somebody still waits for; the others have been forgotten, or are. */
  #stillWanted(flights: readonly Flight[]): Flight[] {
    return flights.filter((flight) => flight.isWanted);
  }

  #landed(flight: Flight): void {
    this.#forget(flight);
    if (!flight.outcome) this.#releaseSoon(flight.key);
  }

  #forget(flight: Flight): void {
    // Another flight may have begun under the same key.
    if (this.#flights.get(flight.key) === flight) this.#flights.delete(flight.key);
  }
}

/** A run that goes on for so long has long had nobody to wait for it. Its thread may be the last that others could run on. */
const hangMsOf = ({ deadlineMs }: Serving): number => 2 * deadlineMs + 1000;

function landFromCache(flight: Flight, { output, computedAt }: CachedAnswer, knownAt: number): void {
  flight.land({ answer: { kind: 'answered', output }, source: 'CACHE', computedAt, knownAt });
}

function outcomesOf(flights: readonly Flight[]): Map<string, Outcome> {
  return new Map(flights.map(({ key, outcome }) => [key, known(outcome)]));
}

function known<Value>(value: Value | null): Value {
  if (value === null) throw new Error('A row has landed without an outcome.');
  return value;
}
