import type { Database } from '../../database/tables.js';
import type { Deployment } from '../../inference/predictor.js';

/** A promotion as it is read. */
export interface DeploymentRow {
  model: string;
  version: number;
  earlierVersions: number[];
  changedAt: Date;
  changedBy: string | null;
}

/** Far more models than a store may hold: rows of models that have left it stay. */
const maxDeployments = 10_000;

/** Every deployment, for the predictor; where there are too many, the latest. */
export async function allDeployments(db: Database): Promise<Deployment[]> {
  const rows = await db
    .selectFrom('model_deployment')
    .select(['model', 'version', 'stopped_canary_digest as digest', 'stopped_canary_reason as reason'])
    .orderBy('changed_at', (order) => order.desc().nullsLast())
    .orderBy('model')
    .limit(maxDeployments)
    .execute();
  return rows.map(({ model, version, digest, reason }) => ({
    model,
    version,
    stoppedCanary: digest === null ? null : { digest, reason: reason ?? '' },
  }));
}

/** The promotions of models, in any order; those without one are left out. */
export async function promotionsOf(db: Database, models: readonly string[]): Promise<DeploymentRow[]> {
  const rows = await db
    .selectFrom('model_deployment')
    .select(['model', 'version', 'earlier_versions as earlierVersions', 'changed_at as changedAt', 'changed_by as changedBy'])
    .where('model', 'in', models)
    .execute();
  return rows.flatMap(({ version, changedAt, ...row }) => (version === null || changedAt === null ? [] : [{ ...row, version, changedAt }]));
}
