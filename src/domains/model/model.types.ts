import { GraphQLSafeInt } from 'graphql-scalars';
import { Extensions, Field, Float, Int, ObjectType } from 'type-graphql';
import { ChangeKind } from '../../graphql/subscriptions/event-sources.js';
import { CacheHint } from '../../graphql/schema/cache-control.js';
import { Node } from '../../graphql/relay/node.js';
import { JSONObject } from '../../graphql/schema/json-object.js';
import { ModelCanary, ModelShadow } from './model-rollout.types.js';

@ObjectType({ simpleResolvers: true, description: 'One input or output of a model.' })
export class ModelField {
  @Field({ description: 'The name in the rows of `predict`.' })
  name!: string;

  @Field({ description: 'The type of the value: float, integer, string or boolean.' })
  type!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'What a string is for: image, a JPEG or PNG file in base64, or text, which a tokenizer cuts into tokens. Null for values that the model takes as they are.',
  })
  media?: string | null;

  @Field(() => [Int], {
    nullable: 'items',
    description: 'The shape of the tensor; null stands for the number of rows.',
  })
  shape!: (number | null)[];

  @Field({ description: 'Whether a row must have it. The model replaces a missing optional value.' })
  required!: boolean;

  @Field(() => String, { nullable: true, description: 'The meaning of the value.' })
  description?: string | null;

  @Field(() => String, { nullable: true, description: 'The unit of the value.' })
  unit?: string | null;

  @Field(() => Float, { nullable: true, description: 'The lowest accepted value.' })
  minimum?: number | null;

  @Field(() => Float, { nullable: true, description: 'The highest accepted value.' })
  maximum?: number | null;

  @Field(() => [String], { nullable: true, description: 'The values that the model knows.' })
  values?: string[] | null;
}

@ObjectType({ simpleResolvers: true, description: 'Number of runs by batch size.' })
export class BatchSizeCount {
  @Field(() => Int, {
    description: 'Upper bound of the batch size, a power of two; the lower bound is half of it, exclusive.',
  })
  rows!: number;

  @Field(() => GraphQLSafeInt, { description: 'Number of runs.' })
  runs!: number;
}

@ObjectType({
  simpleResolvers: true,
  description:
    'Statistics of a version since this replica loaded it, defined as in Triton Inference Server. /metrics exports the same numbers.',
})
export class ModelVersionStatistics {
  @Field(() => GraphQLSafeInt, { description: 'Successful calls.' })
  successes!: number;

  @Field(() => GraphQLSafeInt, {
    description:
      'Failed calls: the model failed, timed out, was overloaded or late, returned a value that is not finite, or an expired cached ' +
      'result had to do. Invalid input is not counted.',
  })
  failures!: number;

  @Field(() => GraphQLSafeInt, {
    description: 'Rows with an expired cached result, because the model failed or timed out.',
  })
  staleRows!: number;

  @Field(() => GraphQLSafeInt, { description: 'Rows for which the model returned a value that is not finite.' })
  invalidRows!: number;

  @Field(() => GraphQLSafeInt, {
    description: 'Calls that took more than half of their deadline, also those that timed out.',
  })
  lateCalls!: number;

  @Field(() => GraphQLSafeInt, { description: 'Rows that the graph ran on (Triton: inference count).' })
  rows!: number;

  @Field(() => GraphQLSafeInt, { description: 'Runs of the graph, each on one row or more (Triton: execution count).' })
  runs!: number;

  @Field(() => Float, { description: 'Milliseconds that rows waited in the queue, summed over rows.' })
  queueMs!: number;

  @Field(() => Float, { description: 'Milliseconds of the runs, summed over runs.' })
  computeMs!: number;

  @Field(() => GraphQLSafeInt, { description: 'Rows found in the prediction cache.' })
  cacheHits!: number;

  @Field(() => GraphQLSafeInt, { description: 'Rows not found in the prediction cache.' })
  cacheMisses!: number;

  @Field(() => Int, { description: 'Rows queued or running now.' })
  pending!: number;

  @Extensions({ listSize: 20 })
  @Field(() => [BatchSizeCount], {
    description: 'Runs by batch size, in ascending order; sizes without runs may be omitted.',
  })
  batchSizes!: BatchSizeCount[];
}

@ObjectType({ simpleResolvers: true, implements: Node, description: 'One trained version of a model.' })
export class ModelVersion {
  @Field(() => Int, { description: 'The number of the version, 1 or more.' })
  version!: number;

  @CacheHint({ inheritMaxAge: true })
  @Extensions({ listSize: 20 })
  @Field(() => [ModelField], { description: 'The fields of an input row.' })
  inputs!: ModelField[];

  @CacheHint({ inheritMaxAge: true })
  @Field(() => [ModelField], { description: 'The fields of a result.' })
  outputs!: ModelField[];

  @Field({ description: "The SHA-256 of the version's graph and external data, in hex." })
  digest!: string;

  @Field(() => JSONObject, {
    nullable: true,
    description: 'Quality metrics measured at training time; see the model card.',
  })
  metrics?: Record<string, unknown> | null;

  @Field(() => JSONObject, {
    nullable: true,
    description:
      'A typical row that `predict` accepts, from the golden rows of the version; null if it has none, or if the row is large.',
  })
  exampleInput?: Record<string, unknown> | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Where the graph runs on this replica, such as cpu: the first of `serving.providers` in the manifest that is available.',
  })
  readonly executionProvider?: string | null;

  @Field(() => ModelVersionStatistics, {
    nullable: true,
    description:
      'Statistics since this replica loaded it; null if it is no longer served. ADMIN only; null with a FORBIDDEN error for others.',
  })
  readonly statistics?: ModelVersionStatistics | null;
}

@ObjectType({
  simpleResolvers: true,
  implements: Node,
  description: 'A model of the repository: one that is served, or, for ADMIN, one that cannot be served.',
})
export class Model {
  @Field({ description: "The name of the model's folder: car-price." })
  name!: string;

  @Field({ description: 'A title for display.' })
  title!: string;

  @Field(() => String, { nullable: true, description: 'What the model predicts, and from what.' })
  description?: string | null;

  @Field(() => ModelCanary, {
    nullable: true,
    description: 'The canary version; null if there is none. ADMIN only; null with a FORBIDDEN error for others.',
  })
  canary?: ModelCanary | null;

  @Field(() => ModelShadow, {
    nullable: true,
    description: 'The shadow version; null if there is none. ADMIN only; null with a FORBIDDEN error for others.',
  })
  shadow?: ModelShadow | null;

  @CacheHint({ maxAge: 0 })
  @Extensions({ listSize: 20 })
  @Field(() => [String], {
    nullable: true,
    description:
      "Problems of the model's folder as it is on disk now, for which the versions loaded before continue to serve, names " +
      'that allow no typed field, for which `predict` alone serves the model, and what a promotion overrides in the manifest. ' +
      'Empty if there are none. ADMIN only; null with a FORBIDDEN error for others.',
  })
  problems?: readonly string[] | null;
}

/** A model as resolvers return it. */
export interface ModelView extends Model {
  versions: ModelVersion[];
  /** Null if the model cannot be served. */
  current: ModelVersion | null;
  overrides?: readonly string[];
}

/** A version with its model. */
export interface VersionOfModel extends ModelVersion {
  model: ModelView;
}

/** An event of `modelChanged`. */
export interface ModelChangeEvent {
  kind: ChangeKind;
  name: string;
  model: ModelView | null;
}

@ObjectType({ simpleResolvers: true, description: 'A change of a model.' })
export class ModelChange {
  @Field(() => ChangeKind, {
    description: 'The kind of change: UPDATED if the served versions or the current version changed.',
  })
  kind!: ChangeKind;

  @Field({ description: "The name of the model's folder." })
  name!: string;

  @Field(() => Model, { nullable: true, description: 'The model as it serves now; null if it was removed.' })
  model!: Model | null;
}
