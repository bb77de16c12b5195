import { GraphQLJSONObject, GraphQLSafeInt } from 'graphql-scalars';
import { Extensions, Field, Float, Int, ObjectType } from 'type-graphql';
import { ChangeKind } from '../../graphql/change.js';

@ObjectType({ simpleResolvers: true, description: 'One input or output of a model.' })
export class ModelField {
  @Field({ description: 'The name in the rows of predict.' })
  name!: string;

  @Field({ description: 'The type of the value: float, integer, string or boolean.' })
  type!: string;

  @Field(() => [Int], { nullable: 'items', description: 'The shape of the tensor; null where the number of rows stands.' })
  shape!: (number | null)[];

  @Field({ description: 'Whether a row must have it. The model fills in what is not required and missing.' })
  required!: boolean;

  @Field(() => String, { nullable: true, description: 'What it means.' })
  description?: string | null;

  @Field(() => String, { nullable: true, description: 'The unit of the value.' })
  unit?: string | null;

  @Field(() => Float, { nullable: true, description: 'The lowest value that is taken.' })
  minimum?: number | null;

  @Field(() => Float, { nullable: true, description: 'The highest value that is taken.' })
  maximum?: number | null;

  @Field(() => [String], { nullable: true, description: 'The values that the model knows.' })
  values?: string[] | null;
}

@ObjectType({ simpleResolvers: true, description: 'How many runs of a graph had about as many rows.' })
export class BatchSizeCount {
  @Field(() => Int, { description: 'A power of two: the runs had up to so many rows, and more than half as many.' })
  rows!: number;

  @Field(() => GraphQLSafeInt, { description: 'How many such runs there were.' })
  runs!: number;
}

@ObjectType({
  simpleResolvers: true,
  description: 'What a version has done since this replica loaded it, counted as Triton Inference Server counts. /metrics has the same numbers.',
})
export class ModelVersionStatistics {
  @Field(() => GraphQLSafeInt, { description: 'Calls that were answered.' })
  successes!: number;

  @Field(() => GraphQLSafeInt, {
    description: 'Calls that were not answered: the model failed, was late or had too much to do. Faulty input is not counted.',
  })
  failures!: number;

  @Field(() => GraphQLSafeInt, { description: 'Rows that the graph was run on (Triton: inference count).' })
  rows!: number;

  @Field(() => GraphQLSafeInt, { description: 'Runs of the graph, each on one row or more (Triton: execution count).' })
  runs!: number;

  @Field(() => Float, { description: 'Milliseconds that rows waited for their run, summed over the rows.' })
  queueMs!: number;

  @Field(() => Float, { description: 'Milliseconds that the runs took, summed over the runs.' })
  computeMs!: number;

  @Field(() => GraphQLSafeInt, { description: 'Rows that were answered from the cache.' })
  cacheHits!: number;

  @Field(() => GraphQLSafeInt, { description: 'Rows that the cache had no answer for.' })
  cacheMisses!: number;

  @Field(() => Int, { description: 'Rows that wait for a run now, or are in one.' })
  pending!: number;

  @Extensions({ listSize: 20 })
  @Field(() => [BatchSizeCount], { description: 'The runs by their number of rows, the smallest first; sizes that no run had may be left out.' })
  batchSizes!: BatchSizeCount[];
}

@ObjectType({ simpleResolvers: true, description: 'One trained version of a model.' })
export class ModelVersion {
  @Field(() => Int, { description: 'The number of the version, 1 or more.' })
  version!: number;

  @Extensions({ listSize: 20 })
  @Field(() => [ModelField], { description: 'What a row for predict holds.' })
  inputs!: ModelField[];

  @Field(() => [ModelField], { description: 'What an answer holds.' })
  outputs!: ModelField[];

  @Field({ description: "The SHA-256 of the version's file, in hex." })
  digest!: string;

  @Field(() => GraphQLJSONObject, { nullable: true, description: 'How good it is, as measured when it was trained; see its model card.' })
  metrics?: Record<string, unknown> | null;

  @Field(() => ModelVersionStatistics, {
    nullable: true,
    description: 'What it has done since this replica loaded it. For an ADMIN; null with a FORBIDDEN error for others. Null where it is no longer served.',
  })
  readonly statistics?: ModelVersionStatistics | null;
}

@ObjectType({ simpleResolvers: true, description: 'A version that a fixed share of the callers gets instead of the current one.' })
export class ModelCanary {
  @Field(() => Int, { description: 'The version that is tried.' })
  version!: number;

  @Field(() => Float, { description: 'Callers out of a hundred that get it; always the same callers.' })
  percent!: number;

  @Field(() => Float, { description: 'The share of its calls that may fail, 0 to 1; above it the canary stops by itself.' })
  maxErrorRate!: number;

  @Field(() => Float, { nullable: true, description: 'Milliseconds within which 95 of 100 calls must be answered, else it stops; null: any.' })
  maxP95Ms?: number | null | undefined;

  @Field(() => Int, { description: 'Calls before it is judged.' })
  minCalls!: number;

  @Field(() => String, { nullable: true, description: 'Why it was stopped, so that everyone gets the current version; null while it runs.' })
  stopped?: string | null;
}

@ObjectType({
  simpleResolvers: true,
  description: 'A version that answers a sample of the calls as well, behind the response and for comparison only.',
})
export class ModelShadow {
  @Field(() => Int, { description: 'The version that is compared with the current one.' })
  version!: number;

  @Field(() => Float, { description: 'Calls out of a hundred that it answers as well.' })
  percent!: number;

  @Field(() => GraphQLSafeInt, { description: 'Rows that both versions have answered, on this replica.' })
  rows!: number;

  @Field(() => GraphQLSafeInt, {
    description: 'Rows on which they differ: in a text or whole number, or in a number by more than a thousandth.',
  })
  differences!: number;

  @Field(() => Float, { description: 'The largest relative difference of a number, 0 to 1.' })
  largestDifference!: number;

  @Field(() => GraphQLSafeInt, { description: 'Calls that the shadow failed to answer.' })
  failures!: number;
}

@ObjectType({ simpleResolvers: true, description: 'A model that answers predictions.' })
export class Model {
  @Field({ description: "The name, which is that of the model's folder: car-price." })
  name!: string;

  @Field({ description: 'The name for people.' })
  title!: string;

  @Field(() => String, { nullable: true, description: 'What the model predicts, and from what.' })
  description?: string | null;

  @Field(() => [ModelVersion], { description: 'The versions that can be asked, the lowest first.' })
  versions!: ModelVersion[];

  @Field(() => ModelVersion, { description: 'The version that answers when none is asked for.' })
  current!: ModelVersion;

  @Field(() => ModelCanary, {
    nullable: true,
    description: 'The version that is being tried on some callers; null where none is. For an ADMIN; null with a FORBIDDEN error for others.',
  })
  canary?: ModelCanary | null;

  @Field(() => ModelShadow, {
    nullable: true,
    description: 'The version that is being compared with the current one; null where none is. For an ADMIN; null with a FORBIDDEN error for others.',
  })
  shadow?: ModelShadow | null;

  @Extensions({ listSize: 20 })
  @Field(() => [String], {
    nullable: true,
    description:
      "What is wrong with the model's folder as it lies on disk now, so that what was served before still is; empty where all is well. " +
      'For an ADMIN; null with a FORBIDDEN error for others.',
  })
  problems?: readonly string[] | null;
}

/** A change as streams tell it. */
export interface ModelChangeEvent {
  kind: ChangeKind;
  name: string;
  model: Model | null;
}

@ObjectType({ simpleResolvers: true, description: 'What became of a model.' })
export class ModelChange {
  @Field(() => ChangeKind, { description: 'What became of the model: UPDATED where it serves other versions, or another one answers.' })
  kind!: ChangeKind;

  @Field({ description: "The name, which is that of the model's folder." })
  name!: string;

  @Field(() => Model, { nullable: true, description: 'The model as it serves now; null once it is gone.' })
  model!: Model | null;
}
