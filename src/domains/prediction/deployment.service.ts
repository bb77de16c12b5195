import { OptimisticLockError, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import type { Database } from '../../database/tables.js';
import type { CanaryStop, Model } from '../../inference/predictor.js';
import { BadUserInput, Conflict } from '../../shared/errors.js';
import { ModelDeployment } from './deployment.entity.js';

/** Replicas listen here; a message without content, sent with each change of a deployment. */
export const deploymentChannel = 'auspex_model_deployment';

const maxEarlierVersions = 20;

/**
 * Makes a version the one that answers, on every replica. Promoting the promoted one again changes nothing.
 * @param userId who promotes
 * @throws BadUserInput where the version is not served; Conflict where another change came between
 */
export function promote(em: SqlEntityManager, model: Model, version: number, userId: string): Promise<void> {
  if (!isServed(model, version)) {
    throw BadUserInput.ofFields([{ field: 'version', message: `is not served; ${model.name} serves ${servedVersions(model)}` }]);
  }
  return change(em, model.name, (deployment) => {
    if (deployment.version === version) return;
    const answering = answeringVersion(model, deployment);
    if (answering !== version) deployment.earlierVersions = [answering, ...deployment.earlierVersions].slice(0, maxEarlierVersions);
    deployment.version = version;
    deployment.changedAt = new Date();
    deployment.changedBy = userId;
  });
}

/** The version that a rollback goes to; null where there is none. Versions that are no longer served are passed over. */
export function versionBefore(model: Model, deployment: Pick<ModelDeployment, 'version' | 'earlierVersions'>): number | null {
  const answering = answeringVersion(model, deployment);
  return deployment.earlierVersions.find((version) => version !== answering && isServed(model, version)) ?? null;
}

/**
 * Undoes the last promotion that is not undone yet: what answered before it answers again.
 * @param expected where the caller found that it goes, by `versionBefore`
 * @param userId who rolls back
 * @throws Conflict where there is nothing to go back to, or another change came between
 */
export function rollback(em: SqlEntityManager, model: Model, expected: number | null, userId: string): Promise<void> {
  return change(em, model.name, (deployment) => {
    const version = versionBefore(model, deployment);
    if (version === null) {
      throw new Conflict(
        `${model.name} has no earlier version to go back to; it serves ${servedVersions(model)}, and ${answeringVersion(model, deployment)} answers: promote the one that should.`,
      );
    }
    if (version !== expected) throw overtaken(model.name);
    const at = deployment.earlierVersions.indexOf(version);
    deployment.version = version;
    deployment.earlierVersions = deployment.earlierVersions.slice(at + 1);
    deployment.changedAt = new Date();
    deployment.changedBy = userId;
  });
}

/** Keeps that a canary stopped itself, for every replica and for later starts. Once is as good as often. */
export async function keepCanaryStop(db: Database, { model, digest, reason }: CanaryStop): Promise<void> {
  await sql`
    with stopped as (
      insert into model_deployment (model, stopped_canary_digest, stopped_canary_reason)
      values (${model}, ${digest}, ${reason.slice(0, 1000)})
      on conflict (model) do update
        set stopped_canary_digest = excluded.stopped_canary_digest, stopped_canary_reason = excluded.stopped_canary_reason
        where model_deployment.stopped_canary_digest is distinct from excluded.stopped_canary_digest
      returning 1
    )
    select pg_notify(${deploymentChannel}, '') from stopped`.execute(db);
}

const isServed = (model: Model, version: number): boolean => model.versions.some((served) => served.version === version);

const servedVersions = (model: Model): string => model.versions.map(({ version }) => version).join(', ');

/** A promoted version that has left the store does not answer: then the manifest decides, as it does where none was promoted. */
const answeringVersion = (model: Model, { version }: Pick<ModelDeployment, 'version'>): number =>
  version !== null && isServed(model, version) ? version : model.current.version;

/** Changes a deployment and tells every replica, both or neither. */
async function change(em: SqlEntityManager, model: string, decide: (deployment: ModelDeployment) => void): Promise<void> {
  try {
    await em.transactional(async (transaction) => {
      const deployment = (await transaction.findOne(ModelDeployment, { model })) ?? transaction.create(ModelDeployment, { model });
      decide(deployment);
      await transaction.flush();
      await transaction.execute('select pg_notify(?, ?)', [deploymentChannel, '']);
    });
  } catch (error) {
    if (error instanceof OptimisticLockError || error instanceof UniqueConstraintViolationException) {
      throw overtaken(model);
    }
    throw error;
  }
}

const overtaken = (model: string): Conflict => new Conflict(`Another change of ${model} came between; see which version answers now, and try again.`);
