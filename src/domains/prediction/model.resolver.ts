import { Arg, Ctx, Extensions, FieldResolver, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { CacheHint, Invalidates } from '../../graphql/cache-hint.js';
import type { Context } from '../../graphql/context.js';
import { knownViewer } from '../../graphql/permissions.js';
import type { Model as ServedModel, Predictor } from '../../inference/predictor.js';
import { NotFound } from '../../shared/errors.js';
import { User } from '../user/user.entity.js';
import { userById } from '../user/user.loaders.js';
import type { UserRow } from '../user/user.types.js';
import { ModelDeployment } from './deployment.entity.js';
import { promotionOf } from './deployment.loaders.js';
import type { DeploymentRow } from './deployment.queries.js';
import { promote, rollback, versionBefore } from './deployment.service.js';
import type { DeploymentWatcher } from './deployment.watcher.js';
import { Model } from './model.types.js';
import type { SignatureContract } from './typed-models/index.js';

const evenIfDocumentsBreak = 'Whether to do it also where live documents break: `predict<Model>` then has other inputs or outputs than these have.';

@Resolver(() => Model)
export class ModelResolver {
  constructor(
    readonly predictor: Predictor,
    readonly deployments: DeploymentWatcher,
    readonly contract: SignatureContract,
  ) {}

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => [Model], { description: 'Every model that can be asked, by name.' })
  @Extensions({ listSize: 20 })
  models(): Model[] {
    return this.predictor.models();
  }

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => Model, { nullable: true, description: 'A model by name; null if unknown.' })
  model(@Arg('name', { description: "The name of the model's folder: car-price." }) name: string): Model | null {
    return this.predictor.model(name);
  }

  @Invalidates('Model')
  @Mutation(() => Model, {
    description:
      'Makes a version the one that answers where none is asked for, on every replica and over restarts, whatever the manifest says. ADMIN only. ' +
      'Calls under way are answered by the version that they began with. CONFLICT where its inputs or outputs would break a live document.',
  })
  async promoteModel(
    @Arg('name', { description: "The name of the model's folder: car-price." }) name: string,
    @Arg('version', () => Int, { description: 'One of Model.versions.' }) version: number,
    @Arg('evenIfDocumentsBreak', () => Boolean, { defaultValue: false, description: evenIfDocumentsBreak }) isForced: boolean,
    @Ctx() context: Context,
  ): Promise<Model> {
    const model = this.#served(name);
    if (!isForced) await this.contract.assertKept(model, version);
    await promote(context.em, model, version, knownViewer(context).userId);
    await this.deployments.refresh();
    return this.#served(name);
  }

  @Invalidates('Model')
  @Mutation(() => Model, {
    description:
      'Undoes the last promotion, on every replica: the version that answered before it answers again. Asked again, it goes one further back. ADMIN only. ' +
      'CONFLICT where its inputs or outputs would break a live document.',
  })
  async rollbackModel(
    @Arg('name', { description: "The name of the model's folder: car-price." }) name: string,
    @Arg('evenIfDocumentsBreak', () => Boolean, { defaultValue: false, description: evenIfDocumentsBreak }) isForced: boolean,
    @Ctx() context: Context,
  ): Promise<Model> {
    const model = this.#served(name);
    const promotion = await context.load(promotionOf).load(name);
    const version = promotion && versionBefore(model, promotion);
    if (version !== null && !isForced) await this.contract.assertKept(model, version);
    await rollback(context.em, model, version, knownViewer(context).userId);
    await this.deployments.refresh();
    return this.#served(name);
  }

  @FieldResolver(() => ModelDeployment, {
    nullable: true,
    description: 'The promotion that decides which version answers; null where the manifest does. For an ADMIN; null with a FORBIDDEN error for others.',
  })
  deployment(@Root() model: Model, @Ctx() context: Context): Promise<DeploymentRow | null> {
    return context.load(promotionOf).load(model.name);
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
  @FieldResolver(() => User, { nullable: true, description: 'Who did it; null where the account is gone.' })
  changedBy(@Root() deployment: DeploymentRow, @Ctx() context: Context): Promise<UserRow | null> | null {
    return deployment.changedBy === null ? null : context.load(userById).load(deployment.changedBy);
  }
}
