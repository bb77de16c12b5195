import { Arg, Extensions, Query, Resolver } from 'type-graphql';
import type { Predictor } from '../../inference/predictor.js';
import { Model } from './prediction.types.js';

@Resolver(() => Model)
export class ModelResolver {
  constructor(readonly predictor: Predictor) {}

  @Query(() => [Model], { description: 'Every model that can be asked, by name.' })
  @Extensions({ listSize: 20 })
  models(): Model[] {
    return this.predictor.models();
  }

  @Query(() => Model, { nullable: true, description: 'A model by name; null if unknown.' })
  model(@Arg('name', { description: "The name of the model's folder: car-price." }) name: string): Model | null {
    return this.predictor.model(name);
  }
}
