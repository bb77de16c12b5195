import { GraphQLCurrency, GraphQLDate, GraphQLDateTime, GraphQLJSONObject } from 'graphql-scalars';
import { Extensions, Field, Float, InputType, Int, InterfaceType, ObjectType, registerEnumType } from 'type-graphql';
import { connectionType } from '../../graphql/connection.js';
import { Node } from '../../graphql/node.js';
import { PredictionSource } from './prediction.entity.js';

registerEnumType(PredictionSource, {
  name: 'PredictionSource',
  description: 'Where an answer came from.',
  valuesConfig: {
    MODEL: { description: 'The model computed it for this call.' },
    CACHE: { description: 'The same question was answered before by the same version.' },
    STALE: { description: 'The model failed or was late; an expired answer stands in. See ageSeconds.' },
  },
});

/** A prediction as history holds it. */
export interface PredictionRow {
  id: string;
  userId: string | null;
  model: string;
  version: number;
  digest: string;
  input: Record<string, unknown>;
  output: Record<string, unknown>;
  source: PredictionSource;
  ageSeconds: number;
  durationMs: number;
  createdAt: Date;
}

@InterfaceType({
  description: "What every answer of a model tells of itself, be it a Prediction or of the model's own type, such as CarPricePrediction.",
})
export abstract class PredictionResult {
  @Field(() => Int, { description: 'The version that answered.' })
  version!: number;

  @Field(() => PredictionSource, { description: 'Where the answer came from.' })
  source!: PredictionSource;

  @Field(() => Float, { description: 'Seconds since the answer was computed; 0 where the model computed it for this call.' })
  ageSeconds!: number;

  @Field(() => Float, { description: 'Milliseconds from the call to the answer.' })
  durationMs!: number;

  @Field(() => GraphQLDateTime, { description: 'When it was asked.' })
  createdAt!: Date;
}

@ObjectType({ simpleResolvers: true, implements: [PredictionResult, Node], description: 'One answer of a model to one row.' })
export class Prediction extends PredictionResult {
  @Field(() => GraphQLJSONObject, { description: 'The row as it was asked.' })
  input!: Record<string, unknown>;

  @Field(() => GraphQLJSONObject, { description: "The answer: one entry per output of the model, such as { selling_price: 412345.5 }." })
  output!: Record<string, unknown>;
}

@ObjectType({ simpleResolvers: true, description: 'An output of a model that is money, in another currency.' })
export class ConvertedAmount {
  @Field({ description: 'The output, by the name that Model.current.outputs has for it: selling_price.' })
  output!: string;

  @Field(() => Float, { description: 'The amount in the currency that was asked for: the output times the rate, rounded half away from zero to the smallest unit of the currency.' })
  amount!: number;

  @Field({ description: 'The currency in which the model answers, as ISO 4217 has it.' })
  from!: string;

  @Field(() => Float, { description: 'What one unit of `from` is worth in the currency that was asked for.' })
  rate!: number;
}

@ObjectType({ simpleResolvers: true, description: 'What a prediction says of money, in another currency, by the latest rates and not those of when it was asked.' })
export class ConvertedOutput {
  @Field(() => GraphQLCurrency, { description: 'The currency that was asked for.' })
  currency!: string;

  @Extensions({ listSize: 2 })
  @Field(() => [ConvertedAmount], { description: 'One entry per output that is a single amount of money, in the order of the outputs.' })
  amounts!: ConvertedAmount[];

  @Field(() => GraphQLDate, { description: 'The day of the rates. Central banks make them on working days.' })
  date!: string;

  @Field({ description: 'Whether the rates are older than they should be, since newer ones could not be had.' })
  isStale!: boolean;
}

export const PredictionConnection = connectionType<PredictionRow>(Prediction, 'Prediction');

@InputType({ description: 'Which predictions. Conditions are joined by "and"; an absent one asks for nothing.' })
export class PredictionFilter {
  @Field(() => String, { nullable: true, description: 'Of the model with this name.' })
  model?: string | null;

  @Field(() => Int, { nullable: true, description: 'Of this version.' })
  version?: number | null;

  @Field(() => PredictionSource, { nullable: true, description: 'From this source.' })
  source?: PredictionSource | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'Asked at this time or later.' })
  createdAfter?: Date | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'Asked at this time or earlier.' })
  createdBefore?: Date | null;
}
