import { setTimeout as sleep } from 'node:timers/promises';
import { Listener } from '../../database/listener.js';
import type { Database } from '../../database/tables.js';
import type { CanaryStop, Predictor } from '../../inference/predictor.js';
import type { Logger } from '../../shared/logger.js';
import { allDeployments } from './deployment.queries.js';
import { deploymentChannel, keepCanaryStop } from './deployment.service.js';

export interface DeploymentWatcherOptions {
  db: Database;
  /** Where to listen for changes that other replicas make. */
  databaseUrl: string;
  predictor: Pick<Predictor, 'apply' | 'onCanaryStopped'>;
  log: Logger;
  /** How often it looks even where nothing was heard. */
  pollMs?: number;
}

/** The database answers within this, or it counts as away. */
const deadlineMs = 10_000;

/**
 * Keeps the predictor to what the database says: which versions are promoted, which canaries have stopped. Changes are heard
 * of at once, and found within seconds where nothing is heard. While the database is away everything serves as it did, and a
 * canary that stops meanwhile is kept as soon as it is back.
 */
export class DeploymentWatcher {
  readonly #options: Required<DeploymentWatcherOptions>;
  readonly #forgetPredictor: () => void;
  /** Canaries that have stopped here and are not in the database yet, by model. */
  readonly #unkept = new Map<string, CanaryStop>();
  #listener: Listener | null = null;
  #poll: NodeJS.Timeout | null = null;
  #applied = '';
  #isBehind = false;
  #underWay: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  constructor(options: DeploymentWatcherOptions) {
    this.#options = { pollMs: 5_000, ...options };
    this.#forgetPredictor = options.predictor.onCanaryStopped((stop) => {
      this.#unkept.set(stop.model, stop);
      void this.refresh();
    });
  }

  /**
   * Applies what the database says, and follows it from now on.
   * @throws whatever keeps the database from being read: a start must not serve the wrong version
   */
  async ready(): Promise<void> {
    const { databaseUrl, log, pollMs } = this.#options;
    await this.#follow();
    const refresh = (): void => void this.refresh();
    this.#listener = new Listener({ databaseUrl, channel: deploymentChannel, onMessage: refresh, log });
    this.#poll = setInterval(refresh, pollMs).unref();
  }

  /** Resolves once all that was committed before the call is applied here; if the database is away, once that is known. */
  refresh(): Promise<void> {
    // What is being read now may be older than the call; callers that come meanwhile share the reading after it.
    this.#next ??= this.#underWay.then(() => {
      this.#next = null;
      this.#underWay = this.#tryToFollow();
      return this.#underWay;
    });
    return this.#next;
  }

  /** Stops following, after what is under way. */
  async close(): Promise<void> {
    this.#forgetPredictor();
    this.#listener?.close();
    if (this.#poll) clearInterval(this.#poll);
    await (this.#next ?? this.#underWay);
  }

  async #tryToFollow(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#follow();
      if (this.#isBehind) log.info('deployments are read again');
      this.#isBehind = false;
    } catch (error) {
      if (!this.#isBehind) log.warn({ err: error }, 'deployments cannot be read; every model serves as it did');
      this.#isBehind = true;
    }
  }

  async #follow(): Promise<void> {
    const { db, predictor, log } = this.#options;
    for (const [model, stop] of this.#unkept) {
      await inTime(keepCanaryStop(db, stop));
      if (this.#unkept.get(model) === stop) this.#unkept.delete(model);
    }
    const deployments = await inTime(allDeployments(db));
    const told = JSON.stringify(deployments);
    // A canary that stopped while this was read would be started again; the next reading is on its way.
    if (told === this.#applied || this.#unkept.size > 0) return;
    predictor.apply(deployments);
    if (this.#applied !== '') log.info({ deployments }, 'deployments have changed');
    this.#applied = told;
  }
}

/** @throws Error where the answer does not come in time; one that comes later is not looked at */
async function inTime<Result>(answer: Promise<Result>): Promise<Result> {
  const done = new AbortController();
  const late = sleep(deadlineMs, undefined, { ref: false, signal: done.signal }).then(() => {
    throw new Error(`The database did not answer within ${deadlineMs} ms.`);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    late.catch(() => undefined);
    done.abort();
  }
}
