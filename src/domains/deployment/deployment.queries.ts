import type { Database } from '../../database/tables.js';
import type { Deployment } from '../../inference/serving/predictor.js';

/** A promotion as read from the database. */
export interface DeploymentRow {
  model: string;
  version: number;
  earlierVersions: number[];
  changedAt: Date;
  changedBy: string | null;
}

/** Rows of removed models remain; this bounds a read far above the size of a repository. */
const maxDeployments = 10_000;

/** Loads all deployments for the predictor; the latest if there are too many. */
export async function allDeployments(db: Database): Promise<Deployment[]> {
  const rows = await db
    .selectFrom('model_deployment')
    .select([
      'model',
      'version',
      'stopped_canary_digest as stoppedDigest',
      'stopped_canary_reason as reason',
      'canary_digest as digest',
      'canary_percent as percent',
      'canary_restarts as canaryRestarts',
    ])
    .orderBy('changed_at', (order) => order.desc().nullsLast())
    .orderBy('model')
    .limit(maxDeployments)
    .execute();
  return rows.map(({ model, version, stoppedDigest, reason, digest, percent, canaryRestarts }) => ({
    model,
    version,
    stoppedCanary: stoppedDigest === null ? null : { digest: stoppedDigest, reason: reason ?? '' },
    canaryStep: digest === null || percent === null ? null : { digest, percent },
    canaryRestarts,
  }));
}

/** Loads the promotions of models in any order; models without one are omitted. */
export async function promotionsOf(db: Database, models: readonly string[]): Promise<DeploymentRow[]> {
  const rows = await db
    .selectFrom('model_deployment')
    .select([
      'model',
      'version',
      'earlier_versions as earlierVersions',
      'changed_at as changedAt',
      'changed_by as changedBy',
    ])
    .where('model', 'in', models)
    .execute();
  return rows.flatMap(({ version, changedAt, ...row }) =>
    version === null || changedAt === null ? [] : [{ ...row, version, changedAt }],
  );
}
