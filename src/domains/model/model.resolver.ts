import { Arg, Ctx, Extensions, FieldResolver, ID, Query, Resolver, Root, Subscription } from 'type-graphql';
import { BadUserInput } from '../../errors/app-error.js';
import type { Context } from '../../graphql/context/context.js';
import type { EventSources } from '../../graphql/subscriptions/event-sources.js';
import { openedBySources } from '../../graphql/subscriptions/event-sources.js';
import { CacheHint } from '../../graphql/schema/cache-control.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import type { Predictor } from '../../inference/serving/predictor.js';
import type { ModelEvents } from './model.events.js';
import { modelUuid, versionOf, versionUuid, visibleModels } from './model.loaders.js';
import {
  Model,
  ModelChange,
  ModelVersion,
  type ModelChangeEvent,
  type ModelView,
  type VersionOfModel,
} from './model.types.js';

const maxNameLength = 100;

@Resolver(() => Model)
export class ModelResolver implements EventSources {
  readonly sources: EventSources['sources'];

  constructor(
    readonly predictor: Predictor,
    events: ModelEvents,
  ) {
    this.sources = { modelChanged: ({ name }) => events.open(checkedName(name as string | null | undefined)) };
  }

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => [Model], {
    description:
      'All served models, by name. For ADMIN also the models that cannot be served: they have no current version, and problems.',
  })
  @Extensions({ listSize: 20 })
  models(@Ctx() { viewer }: Context): ModelView[] {
    return visibleModels(this.predictor, viewer);
  }

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => Model, { nullable: true, description: 'A model by name; null if unknown.' })
  model(
    @Arg('name', { description: "The name of the model's folder: car-price." }) name: string,
    @Ctx() { viewer }: Context,
  ): ModelView | null {
    const found = this.predictor.model(name);
    return found ?? visibleModels(this.predictor, viewer).find((model) => model.name === name) ?? null;
  }

  @Subscription(() => ModelChange, {
    ...openedBySources,
    description: 'Models that are added, removed, or change what they serve, as seen by the replica that responds.',
  })
  modelChanged(
    @Root() change: ModelChangeEvent,
    @Arg('name', () => String, {
      nullable: true,
      description: 'Only changes of the model with this name, which may be added later; all models if absent.',
    })
    _name: string | null,
  ): ModelChangeEvent {
    return change;
  }

  @FieldResolver(() => ID, { description: 'Global ID: model_ and 26 characters, derived from the name.' })
  id(@Root() model: ModelView): string {
    return encodeId('model', modelUuid(model.name));
  }

  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => [ModelVersion], { description: 'The served versions, in ascending order.' })
  versions(@Root() model: ModelView): VersionOfModel[] {
    return model.versions.map((version) => versionOf(model, version));
  }

  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => ModelVersion, {
    nullable: true,
    description:
      'The version used when a call requests none; null if the model cannot be served, which only ADMIN sees.',
  })
  current(@Root() model: ModelView): VersionOfModel | null {
    return model.current && versionOf(model, model.current);
  }

  @FieldResolver()
  problems(@Root() { problems, overrides = [] }: ModelView): readonly string[] | null {
    return problems ? [...problems, ...overrides] : null;
  }
}

@Resolver(() => ModelVersion)
export class ModelVersionResolver {
  @FieldResolver(() => ID, {
    description: 'Global ID: modelversion_ and 26 characters, derived from the model and the number of the version.',
  })
  id(@Root() { model, version }: VersionOfModel): string {
    return encodeId('modelversion', versionUuid(model.name, version));
  }

  @CacheHint({ inheritMaxAge: true })
  @FieldResolver(() => Model, { description: 'The model of the version.' })
  model(@Root() { model }: VersionOfModel): ModelView {
    return model;
  }
}

@Resolver(() => ModelChange)
export class ModelChangeResolver {
  @FieldResolver(() => ID, { description: 'ID of the model, also after it was removed.' })
  modelId(@Root() change: ModelChangeEvent): string {
    return encodeId('model', modelUuid(change.name));
  }
}

/** @throws BadUserInput */
function checkedName(name: string | null | undefined): string | null {
  if (name == null) return null;
  if (name === '' || name.length > maxNameLength)
    throw BadUserInput.ofFields([{ field: 'name', message: `must have 1 to ${maxNameLength} characters` }]);
  return name;
}
