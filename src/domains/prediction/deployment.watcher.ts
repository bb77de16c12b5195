import { inTime, TableFollower } from '../../database/table-follower.js';
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

/**
 * Keeps the predictor to what the database says: which versions are promoted, which canaries have stopped. While the database
 * is away every model serves as it did, and a canary that stops meanwhile is kept as soon as it is back.
 */
export class DeploymentWatcher {
  readonly #options: DeploymentWatcherOptions;
  readonly #follower: TableFollower;
  readonly #forgetPredictor: () => void;
  /** Canaries that have stopped here and are not in the database yet, by model. */
  readonly #unkept = new Map<string, CanaryStop>();
  #applied = '';

  constructor(options: DeploymentWatcherOptions) {
    const { databaseUrl, predictor, log, pollMs } = options;
    this.#options = options;
    this.#follower = new TableFollower({
      databaseUrl,
      channel: deploymentChannel,
      follow: () => this.#follow(),
      told: { isAway: 'deployments cannot be read; every model serves as it did', isBack: 'deployments are read again' },
      log,
      ...(pollMs === undefined ? {} : { pollMs }),
    });
    this.#forgetPredictor = predictor.onCanaryStopped((stop) => {
      this.#unkept.set(stop.model, stop);
      void this.refresh();
    });
  }

  /**
   * Applies what the database says, and follows it from now on.
   * @throws whatever keeps the database from being read: a start must not serve the wrong version
   */
  ready(): Promise<void> {
    return this.#follower.ready();
  }

  /** Resolves once all that was committed before the call is applied here; if the database is away, once that is known. */
  refresh(): Promise<void> {
    return this.#follower.refresh();
  }

  /** Stops following, after what is under way. */
  async close(): Promise<void> {
    this.#forgetPredictor();
    await this.#follower.close();
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
