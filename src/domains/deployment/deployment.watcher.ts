import { schemaOf } from '../../database/schema-names.js';
import { withDatabaseTimeout, TableFollower } from '../../database/table-follower.js';
import type { Database } from '../../database/tables.js';
import type { CanaryStop, Predictor } from '../../inference/serving/predictor.js';
import type { Logger } from '../../telemetry/logger.js';
import { allDeployments } from './deployment.queries.js';
import { exchangeEvidence, moveCanary, recordCanaryStop, type ChangeOfGateway } from './canary.service.js';
import { deploymentChannel } from './deployment.service.js';

export interface DeploymentWatcherOptions {
  db: Database;
  /** For a dedicated connection that listens for changes of other replicas. */
  databaseUrl: string;
  predictor: Pick<Predictor, 'apply' | 'canaries' | 'canaryStopped' | 'onCanaryStopped'>;
  /** For what no caller requested: stops and steps of canaries. */
  change: ChangeOfGateway;
  log: Logger;
  /** Polling interval in case a notification is lost. */
  pollMs?: number;
}

/**
 * Applies deployments from the database to the predictor: promoted versions, and steps and stops of canaries. Exchanges the evidence
 * about canaries with the other replicas. While the database is unavailable, models serve unchanged; a canary that stops meanwhile is
 * recorded once the database is back.
 */
export class DeploymentWatcher {
  readonly #options: DeploymentWatcherOptions;
  readonly #follower: TableFollower;
  readonly #unsubscribe: () => void;
  /** Canary stops not yet written to the database, by model. */
  readonly #unrecorded = new Map<string, CanaryStop>();
  #applied = '';

  constructor(options: DeploymentWatcherOptions) {
    const { db, databaseUrl, predictor, log, pollMs } = options;
    this.#options = options;
    this.#follower = new TableFollower({
      databaseUrl,
      channel: deploymentChannel,
      schema: schemaOf(db),
      follow: () => this.#follow(),
      messages: {
        unavailable: 'deployments unavailable; models keep serving unchanged',
        recovered: 'deployments available again',
      },
      log,
      pollMs,
    });
    this.#unsubscribe = predictor.onCanaryStopped((stop) => {
      this.#unrecorded.set(stop.model, stop);
      void this.refresh();
    });
  }

  /**
   * Applies the deployments and follows changes.
   * @throws if the database cannot be read: the gateway must not start with the wrong version
   */
  ready(): Promise<void> {
    return this.#follower.ready();
  }

  /** Resolves once all changes committed before the call are applied, or the database is known to be unavailable. */
  refresh(): Promise<void> {
    return this.#follower.refresh();
  }

  /** Stops after the read in progress. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#follower.close();
  }

  async #follow(): Promise<void> {
    const { db, predictor, change } = this.#options;
    const startMs = performance.now();
    await this.#exchange();
    for (const [model, stop] of this.#unrecorded) {
      await withDatabaseTimeout(recordCanaryStop(change, stop));
      if (this.#unrecorded.get(model) === stop) this.#unrecorded.delete(model);
    }
    const deployments = await withDatabaseTimeout(allDeployments(db));
    const state = JSON.stringify(deployments);
    // A canary that stopped during this read would start again; another read is already scheduled.
    if (state === this.#applied || this.#unrecorded.size > 0) return;
    predictor.apply(deployments, startMs);
    this.#applied = state;
  }

  /** Shares the evidence about the canaries of this replica, and moves those with enough evidence to their next step. */
  async #exchange(): Promise<void> {
    const { db, predictor, change, log } = this.#options;
    for (const canary of predictor.canaries()) {
      if (!canary.hasNews) continue;
      const reason = await canary.exchange((add) => withDatabaseTimeout(exchangeEvidence(db, canary, add)));
      if (reason !== null) predictor.canaryStopped(canary, reason);
      const step = canary.nextStep;
      if (!step || !(await withDatabaseTimeout(moveCanary(change, canary, step)))) continue;
      const { model, version } = canary.version;
      log.info({ model, modelVersion: version.version, ...step, ...canary.evidence.canary }, 'canary share increased');
    }
  }
}
