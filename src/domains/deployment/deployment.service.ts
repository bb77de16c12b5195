import { OptimisticLockError, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { AuditAction } from '../../audit/audit-event.js';
import type { RecordEvent } from '../../audit/audit-log.js';
import { notify } from '../../database/execute.js';
import type { Model } from '../../inference/serving/predictor.js';
import { BadUserInput, Conflict } from '../../errors/app-error.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { modelUuid } from '../model/model.loaders.js';
import { ModelDeployment } from './deployment.entity.js';

/** NOTIFY channel of deployment changes; messages have the schema as payload. */
export const deploymentChannel = 'auspex_model_deployment';

export const maxEarlierVersions = 20;

/**
 * Makes a version current on every replica. Promoting the current promotion again changes nothing.
 * @throws BadUserInput if the version is not served
 * @throws Conflict if a concurrent change was committed first
 */
export function promote(em: SqlEntityManager, model: Model, version: number, by: Administrator): Promise<void> {
  if (!isServed(model, version)) {
    throw BadUserInput.ofFields([
      { field: 'version', message: `is not served; ${model.name} serves ${servedVersions(model)}` },
    ]);
  }
  return change(em, { model: model.name, action: AuditAction.MODEL_PROMOTE, by }, (deployment) => {
    if (deployment.version === version) return;
    const current = currentVersion(model, deployment);
    if (current !== version)
      deployment.earlierVersions = [current, ...deployment.earlierVersions].slice(0, maxEarlierVersions);
    deployment.version = version;
  });
}

/** The target of a rollback; null if there is none. Versions that are no longer served are skipped. */
export function rollbackTarget(
  model: Model,
  deployment: Pick<ModelDeployment, 'version' | 'earlierVersions'>,
): number | null {
  const current = currentVersion(model, deployment);
  return deployment.earlierVersions.find((version) => version !== current && isServed(model, version)) ?? null;
}

/**
 * Undoes the last promotion that is not undone yet.
 * @param expected the target that the caller has checked, from `rollbackTarget`
 * @throws Conflict if there is no earlier version, or a concurrent change was committed first
 */
export function rollback(
  em: SqlEntityManager,
  model: Model,
  expected: number | null,
  by: Administrator,
): Promise<void> {
  return change(em, { model: model.name, action: AuditAction.MODEL_ROLLBACK, by }, (deployment) => {
    const version = rollbackTarget(model, deployment);
    if (version === null) {
      throw new Conflict(
        `${model.name} has no earlier version to roll back to; it serves ${servedVersions(model)}, and ${currentVersion(model, deployment)} is current. Promote a version instead.`,
      );
    }
    if (version !== expected) throw concurrentUpdate(model.name);
    const at = deployment.earlierVersions.indexOf(version);
    deployment.version = version;
    deployment.earlierVersions = deployment.earlierVersions.slice(at + 1);
  });
}

/** A promotion that was cleared. */
export interface ClearedPromotion {
  /** The promoted version; null if there was none, and nothing changed. */
  version: number | null;
  earlierVersions: readonly number[];
}

/**
 * Removes the promotion and the versions before it, so that the manifest selects the version again. A canary that stopped
 * remains stopped. Without a promotion nothing changes.
 * @throws Conflict if a concurrent change was committed first
 */
export async function clearPromotion(em: SqlEntityManager, model: Model, by: Administrator): Promise<ClearedPromotion> {
  let cleared: ClearedPromotion = { version: null, earlierVersions: [] };
  await change(em, { model: model.name, action: AuditAction.MODEL_DEPLOYMENT_CLEAR, by }, (deployment) => {
    if (deployment.version === null) return;
    cleared = { version: deployment.version, earlierVersions: deployment.earlierVersions };
    deployment.version = null;
    deployment.earlierVersions = [];
  });
  return cleared;
}

const isServed = (model: Model, version: number): boolean =>
  model.versions.some((served) => served.version === version);

const servedVersions = (model: Model): string => model.versions.map(({ version }) => version).join(', ');

/** A promoted version that is no longer in the repository is ignored: the manifest then selects the version. */
const currentVersion = (model: Model, { version }: Pick<ModelDeployment, 'version'>): number =>
  version !== null && isServed(model, version) ? version : model.current.version;

/** Who changes a deployment, and records it. */
export interface Administrator {
  userId: string;
  record: RecordEvent;
}

/** Changes a deployment, records the change if there is any, and notifies every replica, in one transaction. */
async function change(
  em: SqlEntityManager,
  { model, action, by }: { model: string; action: AuditAction; by: Administrator },
  decide: (deployment: ModelDeployment) => void,
): Promise<void> {
  try {
    await em.transactional(async (transaction) => {
      const deployment =
        (await transaction.findOne(ModelDeployment, { model })) ?? Object.assign(new ModelDeployment(), { model });
      const before = valuesOf(deployment);
      decide(deployment);
      if (deployment.version !== before.version) {
        deployment.changedAt = new Date();
        deployment.changedBy = by.userId;
        const target = encodeId('deployment', modelUuid(model));
        await by.record(transaction, { action, target, before, after: valuesOf(deployment) });
      }
      // No row means that nothing is promoted.
      if (deployment.version !== null) transaction.persist(deployment);
      await transaction.flush();
      await notify(transaction, deploymentChannel);
    });
  } catch (error) {
    if (error instanceof OptimisticLockError || error instanceof UniqueConstraintViolationException) {
      throw concurrentUpdate(model);
    }
    throw error;
  }
}

/** What the audit log shows of a deployment. */
const valuesOf = ({ model, version, earlierVersions }: ModelDeployment) => ({
  model,
  version,
  earlierVersions: [...earlierVersions],
});

const concurrentUpdate = (model: string): Conflict =>
  new Conflict(`Concurrent update of ${model} detected; read its current version and retry.`);
