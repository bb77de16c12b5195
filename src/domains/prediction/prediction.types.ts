import { GraphQLDateTime, GraphQLJSONObject } from 'graphql-scalars';
import { Extensions, Field, Float, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { connectionType } from '../../graphql/connection.js';
import { PredictionSource } from './prediction.entity.js';

registerEnumType(PredictionSource, {
  name: 'PredictionSource',
  description: 'Where an answer came from.',
  valuesConfig: {
    MODEL: { description: 'The model computed it for this call.' },
    CACHE: { description: 'The same question was answered before by the same version.' },
  },
});

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
}

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
  durationMs: number;
  createdAt: Date;
}

@ObjectType({ simpleResolvers: true, description: 'One answer of a model to one row.' })
export class Prediction {
  @Field(() => Int, { description: 'The version that answered.' })
  version!: number;

  @Field(() => GraphQLJSONObject, { description: 'The row as it was asked.' })
  input!: Record<string, unknown>;

  @Field(() => GraphQLJSONObject, { description: "The answer: one entry per output of the model, such as { selling_price: 412345.5 }." })
  output!: Record<string, unknown>;

  @Field(() => PredictionSource, { description: 'Where the answer came from.' })
  source!: PredictionSource;

  @Field(() => Float, { description: 'Milliseconds from the call to the answer.' })
  durationMs!: number;

  @Field(() => GraphQLDateTime, { description: 'When it was asked.' })
  createdAt!: Date;
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
