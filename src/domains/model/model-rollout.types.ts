import { GraphQLSafeInt } from 'graphql-scalars';
import { Extensions, Field, Float, Int, ObjectType } from 'type-graphql';

@ObjectType({
  simpleResolvers: true,
  description:
    'A version that serves a share of the calls instead of the current one, with the evidence for and against it.',
})
export class ModelCanary {
  @Field(() => Int, { description: 'The canary version.' })
  version!: number;

  @Field(() => Float, { description: 'Percentage of calls that the canary serves at its present step, while it runs.' })
  percent!: number;

  @Extensions({ listSize: 20 })
  @Field(() => [Float], {
    description:
      'The percentages that it serves one after the other. After 100 % it is promoted; a single one is not changed.',
  })
  steps!: readonly number[];

  @Field(() => String, {
    description:
      'What decides which version a call gets: `request` is chance; with `user`, or `header:` and the name of a request header, the ' +
      'same users or values keep their version.',
  })
  by!: string;

  @Field(() => Float, {
    description:
      'Failure rate, 0 to 1, above which the canary stops even if the current version is no better; 1 for no limit.',
  })
  maxErrorRate!: number;

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of the latency in milliseconds above which the canary stops; null for no limit.',
  })
  maxP95Ms?: number | null | undefined;

  @Field(() => Int, { description: 'Calls that the canary computes at a step before the next one.' })
  minCalls!: number;

  @Field(() => String, {
    nullable: true,
    description:
      'Why the canary stopped; the current version then serves all calls, until `restartCanary`. Null while it runs.',
  })
  stopped?: string | null;

  @Field(() => GraphQLSafeInt, {
    description:
      'Calls that the canary computed on all replicas since it started. Cached results and full queues are no evidence.',
  })
  calls!: number;

  @Field(() => GraphQLSafeInt, {
    description: 'Those of `calls` that failed, as `ModelVersionStatistics.failures` defines it.',
  })
  failures!: number;

  @Field(() => GraphQLSafeInt, { description: 'Those of `calls` that took longer than `maxP95Ms`; 0 without a limit.' })
  slowCalls!: number;

  @Field(() => GraphQLSafeInt, { description: 'Calls that the current version computed meanwhile.' })
  currentCalls!: number;

  @Field(() => GraphQLSafeInt, { description: 'Those of `currentCalls` that failed.' })
  currentFailures!: number;
}

@ObjectType({
  simpleResolvers: true,
  description: 'Differences of one output of a shadow, over all values that were compared on this replica.',
})
class ModelShadowOutput {
  @Field({ description: 'The name of the output.' })
  name!: string;

  @Field(() => Float, { nullable: true, description: 'Mean absolute difference; null for an output without floats.' })
  meanAbsoluteDifference!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of the absolute difference, within 2.5 %; null for an output without floats.',
  })
  p95AbsoluteDifference!: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Mean relative difference: relative to the value of the current version, and to a hundredth of the mean magnitude of the output ' +
      'at least. Null for an output without floats.',
  })
  meanRelativeDifference!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of the relative difference, within 2.5 %; null for an output without floats.',
  })
  p95RelativeDifference!: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Share of the rows, 0 to 1, on which both versions give the same label: the same strings, integers and booleans, or the same ' +
      'largest element of a labelled vector. Null for other floats.',
  })
  labelAgreement!: number | null;
}

@ObjectType({
  simpleResolvers: true,
  description: 'A version that runs on a sample of the calls in the background, for comparison only.',
})
export class ModelShadow {
  @Field(() => Int, { description: 'The version compared with the current one.' })
  version!: number;

  @Field(() => Float, { description: 'Percentage of calls that the shadow runs on.' })
  percent!: number;

  @Field(() => GraphQLSafeInt, { description: 'Rows compared on this replica.' })
  rows!: number;

  @Field(() => GraphQLSafeInt, {
    description:
      'Rows that differ: in a string, integer or boolean, or in a float by more than the `tolerance` of the manifest.',
  })
  differences!: number;

  @Field(() => Float, {
    description: 'The largest relative difference of a float, 0 to 1; see `ModelShadowOutput.meanRelativeDifference`.',
  })
  largestDifference!: number;

  @Field(() => GraphQLSafeInt, {
    description:
      'Calls on which the shadow failed, as `ModelVersionStatistics.failures` defines it, and calls with rows that it rejects.',
  })
  failures!: number;

  @Extensions({ listSize: 20 })
  @Field(() => [ModelShadowOutput], { description: 'Differences by output; the first 50 outputs.' })
  outputs!: readonly ModelShadowOutput[];
}
