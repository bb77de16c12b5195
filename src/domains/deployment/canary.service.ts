import { LockMode } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { AuditAction, type AuditEvent, type AuditValues } from '../../audit/audit-event.js';
import { execute, notify } from '../../database/execute.js';
import { owned } from '../../database/schema-names.js';
import type { Database } from '../../database/tables.js';
import { Conflict } from '../../errors/app-error.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import {
  parseEvidence,
  type Canary,
  type CanaryEvidence,
  type CanaryStep,
  type CanaryStop,
  type Model,
} from '../../inference/serving/predictor.js';
import { modelUuid } from '../model/model.loaders.js';
import { ModelDeployment } from './deployment.entity.js';
import { deploymentChannel, maxEarlierVersions, type Administrator } from './deployment.service.js';

/** Runs a change that no caller requested in a transaction, with its event in the audit log. */
export type ChangeOfGateway = (change: (transaction: SqlEntityManager) => Promise<AuditEvent | null>) => Promise<void>;

/**
 * Starts a canary again on every replica, at its first step and without evidence; lifts its stop.
 * @throws Conflict if the manifest names no canary, or it is the current version
 */
export async function restartCanary(em: SqlEntityManager, model: Model, by: Administrator): Promise<void> {
  if (!model.canary) {
    throw new Conflict(
      `${model.name} has no canary: its manifest names none, or one that is the current version. Add a canary to model.yaml first.`,
    );
  }
  await em.transactional(async (transaction) => {
    const deployment = await locked(transaction, model.name);
    const before = valuesOf(deployment);
    deployment.canaryRestarts += 1;
    deployment.stoppedCanaryDigest = deployment.stoppedCanaryReason = null;
    deployment.canaryDigest = deployment.canaryPercent = null;
    deployment.canaryChangedAt = new Date();
    await by.record(transaction, eventOf(AuditAction.MODEL_CANARY_RESTART, deployment, before));
    await notifyAll(transaction);
  });
}

/** Records that a canary stopped, for all replicas and later starts. Idempotent; a restart since then lifts the stop. */
export function recordCanaryStop(change: ChangeOfGateway, stop: CanaryStop): Promise<void> {
  return change(async (transaction) => {
    const deployment = await locked(transaction, stop.model);
    if (deployment.canaryRestarts !== stop.restarts || deployment.stoppedCanaryDigest === stop.digest) return null;
    const before = valuesOf(deployment);
    deployment.stoppedCanaryDigest = stop.digest;
    deployment.stoppedCanaryReason = stop.reason.slice(0, 1000);
    deployment.canaryChangedAt = new Date();
    await notifyAll(transaction);
    return eventOf(AuditAction.MODEL_CANARY_STOP, deployment, before);
  });
}

/**
 * Moves a canary to its next step on every replica, unless another replica did, it stopped, or it was restarted. At 100 % it becomes
 * the current version, as by `promoteModel`. @returns whether it moved
 */
export async function moveCanary(change: ChangeOfGateway, canary: Canary, { from, to }: CanaryStep): Promise<boolean> {
  const { version, current, state, rule } = canary;
  const { digest } = version.version;
  let hasMoved = false;
  await change(async (transaction) => {
    const deployment = await locked(transaction, version.model);
    const share = deployment.canaryDigest === digest ? deployment.canaryPercent : null;
    const isExpected =
      (share ?? rule.steps[0]) === from &&
      deployment.canaryRestarts === state.restarts &&
      deployment.stoppedCanaryDigest !== digest &&
      (deployment.version ?? current.version.version) === current.version.version;
    if (!isExpected) return null;
    const before = valuesOf(deployment);
    deployment.canaryDigest = digest;
    deployment.canaryPercent = to;
    deployment.canaryChangedAt = new Date();
    if (to === 100) {
      const earlier = [current.version.version, ...deployment.earlierVersions];
      deployment.earlierVersions = earlier.slice(0, maxEarlierVersions);
      deployment.version = version.version.version;
      deployment.changedAt = new Date();
      deployment.changedBy = null;
      // After a rollback it must not start again on its own.
      deployment.stoppedCanaryDigest = digest;
      deployment.stoppedCanaryReason = 'It was promoted after its last step, and is no longer the current version.';
    }
    await notifyAll(transaction);
    hasMoved = true;
    return eventOf(to === 100 ? AuditAction.MODEL_PROMOTE : AuditAction.MODEL_CANARY_STEP, deployment, before);
  });
  return hasMoved;
}

/** Adds the calls of this replica to the stored evidence of a canary. @returns the evidence of all replicas */
export function exchangeEvidence(
  db: Database,
  { version: { model }, key }: Canary,
  add: (stored: CanaryEvidence | null) => CanaryEvidence,
): Promise<CanaryEvidence> {
  return db.transaction().execute(async (transaction) => {
    const empty = { model, key, evidence: null, updated_at: new Date() };
    await transaction
      .insertInto('canary_evidence')
      .values(empty)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const stored = await transaction
      .selectFrom('canary_evidence')
      .select(['key', 'evidence'])
      .where('model', '=', model)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const merged = add(stored.key === key ? parseEvidence(stored.evidence) : null);
    await transaction
      .updateTable('canary_evidence')
      .set({ key, evidence: sql`${JSON.stringify(merged)}::jsonb`, updated_at: new Date() })
      .where('model', '=', model)
      .execute();
    return merged;
  });
}

/** Locks the row of a model; creates it first if there is none. */
async function locked(transaction: SqlEntityManager, model: string): Promise<ModelDeployment> {
  await execute(
    transaction,
    sql`insert into ${owned('model_deployment')} (model) values (${model}) on conflict do nothing`,
  );
  return transaction.findOneOrFail(ModelDeployment, { model }, { lockMode: LockMode.PESSIMISTIC_WRITE });
}

async function notifyAll(transaction: SqlEntityManager): Promise<void> {
  await transaction.flush();
  await notify(transaction, deploymentChannel);
}

function eventOf(action: AuditAction, deployment: ModelDeployment, before: AuditValues): AuditEvent {
  return { action, target: encodeId('deployment', modelUuid(deployment.model)), before, after: valuesOf(deployment) };
}

/** What the audit log shows of a canary. */
const valuesOf = (deployment: ModelDeployment): AuditValues => ({
  model: deployment.model,
  version: deployment.version,
  canaryDigest: deployment.canaryDigest ?? deployment.stoppedCanaryDigest,
  canaryPercent: deployment.canaryPercent,
  canaryStopped: deployment.stoppedCanaryReason,
  canaryRestarts: deployment.canaryRestarts,
});
