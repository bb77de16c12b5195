import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, FieldResolver, ID, Info, Int, Mutation, Resolver, Root } from 'type-graphql';
import type { AuditLog } from '../../audit/audit-log.js';
import { NotFound } from '../../errors/app-error.js';
import type { Context } from '../../graphql/context/context.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { requireViewer } from '../../graphql/permissions/rules.js';
import { Invalidates } from '../../graphql/schema/cache-control.js';
import type { Model as ServedModel, Predictor } from '../../inference/serving/predictor.js';
import type { SignatureCompatibility } from '../../typed-models/signature-compatibility.js';
import { modelUuid } from '../model/model.loaders.js';
import { Model } from '../model/model.types.js';
import { User } from '../user/user.entity.js';
import { userById } from '../user/user.loaders.js';
import type { UserRow } from '../user/user.types.js';
import { restartCanary } from './canary.service.js';
import { ClearDeploymentPayload, ModelDeployment } from './deployment.entity.js';
import { promotionOf } from './deployment.loaders.js';
import type { DeploymentRow } from './deployment.queries.js';
import { clearPromotion, promote, rollback, rollbackTarget, type Administrator } from './deployment.service.js';
import type { DeploymentWatcher } from './deployment.watcher.js';

const allowBreakingChanges =
  'Whether to continue if live documents break because `predict<Model>` gets other inputs or outputs.';

@Resolver(() => Model)
export class ModelDeploymentsResolver {
  constructor(
    readonly predictor: Predictor,
    readonly deployments: DeploymentWatcher,
    readonly compatibility: SignatureCompatibility,
    readonly audit: Pick<AuditLog, 'by'>,
  ) {}

  @Invalidates('Model')
  @Mutation(() => Model, {
    nullable: true,
    description:
      'Makes a version current on every replica. The choice survives restarts and overrides the manifest. ADMIN only. ' +
      'In-flight calls finish with the version they started with. CONFLICT if the inputs or outputs would break a live document.',
  })
  async promoteModel(
    @Arg('name', { description: "The name of the model's folder: car-price." }) name: string,
    @Arg('version', () => Int, { description: 'One of Model.versions.' }) version: number,
    @Arg('allowBreakingChanges', () => Boolean, { defaultValue: false, description: allowBreakingChanges })
    isForced: boolean,
    @Ctx() context: Context,
  ): Promise<Model> {
    const model = this.#served(name);
    if (!isForced) await this.compatibility.assertCompatible(model, version);
    await promote(context.em, model, version, this.#administrator(context));
    await this.deployments.refresh();
    return this.#served(name);
  }

  @Invalidates('Model')
  @Mutation(() => Model, {
    nullable: true,
    description:
      'Undoes the last promotion on every replica. Each further call goes one version further back. ADMIN only. ' +
      'CONFLICT if there is no earlier version, or its inputs or outputs would break a live document.',
  })
  async rollbackModel(
    @Arg('name', { description: "The name of the model's folder: car-price." }) name: string,
    @Arg('allowBreakingChanges', () => Boolean, { defaultValue: false, description: allowBreakingChanges })
    isForced: boolean,
    @Ctx() context: Context,
  ): Promise<Model> {
    const model = this.#served(name);
    const promotion = await context.load(promotionOf).load(name);
    const version = promotion && rollbackTarget(model, promotion);
    if (version !== null && !isForced) await this.compatibility.assertCompatible(model, version);
    await rollback(context.em, model, version, this.#administrator(context));
    await this.deployments.refresh();
    return this.#served(name);
  }

  @Invalidates('Model')
  @Mutation(() => ClearDeploymentPayload, {
    nullable: true,
    description:
      'Removes the promotion on every replica: the manifest selects the version again. Changes nothing if none is promoted. ADMIN only. ' +
      'CONFLICT if the inputs or outputs of the version of the manifest would break a live document.',
  })
  async clearDeployment(
    @Arg('model', { description: "The name of the model's folder: car-price." }) name: string,
    @Arg('allowBreakingChanges', () => Boolean, { defaultValue: false, description: allowBreakingChanges })
    isForced: boolean,
    @Ctx() context: Context,
  ): Promise<ClearDeploymentPayload> {
    const model = this.#served(name);
    if (!isForced) await this.compatibility.assertCompatible(model, model.manifestVersion);
    const cleared = await clearPromotion(context.em, model, this.#administrator(context));
    await this.deployments.refresh();
    return {
      clearedVersion: cleared.version,
      clearedEarlierVersions: cleared.earlierVersions,
      model: this.#served(name),
    };
  }

  @Invalidates('Model')
  @Mutation(() => Model, {
    nullable: true,
    description:
      'Starts the canary of a model again on every replica, at its first step and without the evidence so far; lifts its stop. ' +
      'ADMIN only. CONFLICT if the model has no canary.',
  })
  async restartCanary(
    @Arg('model', { description: "The name of the model's folder: car-price." }) name: string,
    @Ctx() context: Context,
  ): Promise<Model> {
    await restartCanary(context.em, this.#served(name), this.#administrator(context));
    await this.deployments.refresh();
    return this.#served(name);
  }

  @FieldResolver(() => ModelDeployment, {
    nullable: true,
    description:
      'The promotion that selects the current version; null if the manifest does. ADMIN only; null with a FORBIDDEN error for others.',
  })
  deployment(@Root() model: Model, @Ctx() context: Context): Promise<DeploymentRow | null> {
    return context.load(promotionOf).load(model.name);
  }

  #administrator(context: Context): Administrator {
    return { userId: requireViewer(context).userId, record: this.audit.by(context) };
  }

  /** @throws NotFound */
  #served(name: string): ServedModel {
    const model = this.predictor.model(name);
    if (!model) throw new NotFound('model', name);
    return model;
  }
}

@Resolver(() => ModelDeployment)
export class ModelDeploymentResolver {
  @FieldResolver(() => ID, { description: 'Global ID: deployment_ and 26 characters, derived from the model.' })
  id(@Root() { model }: DeploymentRow): string {
    return encodeId('deployment', modelUuid(model));
  }

  @FieldResolver(() => User, {
    nullable: true,
    description: 'The administrator; null if the account was deleted, or a canary was promoted after its last step.',
  })
  changedBy(
    @Root() deployment: DeploymentRow,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<UserRow | null> | null {
    return deployment.changedBy === null ? null : context.load(userById.selectedBy(info)).load(deployment.changedBy);
  }
}
