import { GraphQLCurrency } from 'graphql-scalars';
import { Extensions, Field, Float, InputType, Int, InterfaceType, ObjectType, registerEnumType } from 'type-graphql';
import { GraphQLDate, GraphQLDateTime } from '../../graphql/schema/scalars.js';
import { connectionType } from '../../graphql/relay/connection.js';
import { Node } from '../../graphql/relay/node.js';
import { JSONObject } from '../../graphql/schema/json-object.js';
import type { RowOf } from '../../database/rows.js';
import type { InputWarning } from '../../inference/serving/predictor.js';
import { PredictionSource, type PredictionRecord } from './prediction.entity.js';

registerEnumType(PredictionSource, {
  name: 'PredictionSource',
  description: 'Where the result comes from.',
  valuesConfig: {
    MODEL: { description: 'Computed for this call.' },
    CACHE: { description: 'Found in the prediction cache: the same version has computed the same row before.' },
    STALE: { description: 'An expired cached result, since the model failed or timed out. See ageSeconds.' },
  },
});

/** What an invalid row does to the other rows of its call. */
export enum OnInvalid {
  FAIL = 'FAIL',
  NULL = 'NULL',
}

registerEnumType(OnInvalid, {
  name: 'OnInvalid',
  description: 'What an invalid row does to the other rows of its call.',
  valuesConfig: {
    FAIL: { description: 'No row is predicted; one error lists up to 100 invalid fields.' },
    NULL: {
      description:
        'The other rows are predicted. An invalid row is null, with an error at its position; after 10 errors, the last one counts the other invalid rows.',
    },
  },
});

/** A prediction as stored in the history, and, of one that has just been made, its warnings, which are not stored. */
export type PredictionRow = RowOf<PredictionRecord> & { warnings?: readonly InputWarning[] | null };

/** Why an input is unusual. */
enum PredictionWarningCode {
  OUT_OF_TRAINING_RANGE = 'OUT_OF_TRAINING_RANGE',
  UNKNOWN_CATEGORY = 'UNKNOWN_CATEGORY',
}

registerEnumType(PredictionWarningCode, {
  name: 'PredictionWarningCode',
  description: 'Why an input is unusual.',
  valuesConfig: {
    OUT_OF_TRAINING_RANGE: {
      description: 'The value is outside the range of the training data, so the model extrapolates.',
    },
    UNKNOWN_CATEGORY: { description: 'The value is not among those that the model knows.' },
  },
});

@ObjectType({ simpleResolvers: true, description: 'An input unlike those that the model was trained with.' })
export class PredictionWarning {
  @Field({
    description: 'The name of the input, as in the field that ran: km_driven in predict, kmDriven in typed fields.',
  })
  field!: string;

  @Field(() => PredictionWarningCode, { description: 'The kind of warning.' })
  code!: PredictionWarningCode;

  @Field({ description: 'What is unusual, with the value and the range of the training data.' })
  message!: string;
}

@InterfaceType({
  description:
    'The common fields of all predictions: of Prediction and of the typed predictions of a model, such as CarPricePrediction.',
})
export abstract class PredictionResult {
  @Field(() => Int, { description: 'The version that ran.' })
  version!: number;

  @Field(() => PredictionSource, { description: 'Where the result comes from.' })
  source!: PredictionSource;

  @Field(() => Float, {
    description: 'Seconds since the result was computed; 0 if it was computed for this call.',
  })
  ageSeconds!: number;

  @Field(() => Float, { description: 'Milliseconds from the call to the result.' })
  durationMs!: number;

  @Field(() => GraphQLDateTime, { description: 'Time of the call.' })
  createdAt!: Date;
}

@ObjectType({
  simpleResolvers: true,
  implements: [PredictionResult, Node],
  description:
    'The result of a model for one row. The history records predictions unless the manifest of the model says otherwise.',
})
export class Prediction extends PredictionResult {
  @Field(() => JSONObject, {
    description: 'The input row; empty in the history if the manifest of the model leaves inputs out.',
  })
  input!: Record<string, unknown>;

  @Field(() => JSONObject, {
    description: 'One entry per output of the model: { selling_price: 412345.5 }.',
  })
  output!: Record<string, unknown>;

  @Field(() => JSONObject, {
    nullable: true,
    description:
      'Units of numeric outputs at the time of the call: { selling_price: "INR" }; null if none had one, and for predictions that an earlier release recorded.',
  })
  units!: Record<string, string> | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Equal for predictions whose model had the same inputs and outputs, with their units and limits; null for predictions that an earlier release recorded.',
  })
  signatureDigest!: string | null;
}

@ObjectType({ simpleResolvers: true, description: 'A money output of a model, converted to another currency.' })
export class ConvertedAmount {
  @Field({ description: 'The name of the output in Model.current.outputs: selling_price.' })
  output!: string;

  @Field(() => Float, {
    description:
      'The amount in the requested currency: the output times the rate, rounded half away from zero to the smallest unit of the currency.',
  })
  amount!: number;

  @Field({ description: "ISO 4217 code of the model's currency." })
  from!: string;

  @Field(() => Float, { description: 'The value of one unit of `from` in the requested currency.' })
  rate!: number;
}

@ObjectType({
  simpleResolvers: true,
  description:
    'The money outputs of a prediction in another currency, at current rates rather than those at the time of the call.',
})
export class ConvertedOutput {
  @Field(() => GraphQLCurrency, { description: 'The requested currency.' })
  currency!: string;

  @Extensions({ listSize: 2 })
  @Field(() => [ConvertedAmount], {
    description: 'One entry per money output, in the order of the outputs.',
  })
  amounts!: ConvertedAmount[];

  @Field(() => GraphQLDate, { description: 'The date of the rates. Central banks publish them on working days.' })
  date!: string;

  @Field({
    description:
      'Whether the rates are outdated: a refresh failed, or rates of a later working day of the European Central Bank must have been published.',
  })
  isStale!: boolean;
}

export const PredictionConnection = connectionType<PredictionRow>(Prediction, 'Prediction');

@InputType({ description: 'Conditions on predictions, combined with AND; an absent condition matches all.' })
export class PredictionFilter {
  @Field(() => String, { nullable: true, description: 'Name of the model.' })
  model?: string | null;

  @Field(() => Int, { nullable: true, description: 'Version of the model.' })
  version?: number | null;

  @Field(() => PredictionSource, { nullable: true, description: 'Source of the result.' })
  source?: PredictionSource | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'Created at this time or later.' })
  createdAfter?: Date | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'Created at this time or earlier.' })
  createdBefore?: Date | null;
}
