import type { GraphQLResolveInfo } from 'graphql';
import { GraphQLCurrency } from 'graphql-scalars';
import {
  Arg,
  Args,
  Ctx,
  Extensions,
  FieldResolver,
  ID,
  Info,
  Int,
  Query,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import type { EventSources } from '../../graphql/subscriptions/event-sources.js';
import { openedBySources } from '../../graphql/subscriptions/event-sources.js';
import {
  counting,
  PageArgs,
  pageReads,
  pageSelection,
  readPage,
  type Connection,
} from '../../graphql/relay/connection.js';
import type { Context } from '../../graphql/context/context.js';
import { decodeId, encodeId } from '../../graphql/relay/global-id.js';
import { requireViewer } from '../../graphql/permissions/rules.js';
import { lookAhead } from '../../graphql/context/selection.js';
import { Reads } from '../../graphql/schema/reads.js';
import { JSONObject } from '../../graphql/schema/json-object.js';
import type { InputWarning, Predictor } from '../../inference/serving/predictor.js';
import { User } from '../user/user.entity.js';
import { userById } from '../user/user.loaders.js';
import type { UserRow } from '../user/user.types.js';
import { Model, type ModelView } from '../model/model.types.js';
import type { PredictionEvents } from './prediction.events.js';
import type { PredictionHistory } from './history/history.js';
import type { ConvertOutput } from './prediction.money.js';
import { predictionCountOfUser, predictionsOfUser } from './prediction.loaders.js';
import { visiblePredictions } from './prediction.nodes.js';
import { ownerFilter } from './prediction.permissions.js';
import { countPredictions, predictionOrder, predictionPage, predictionRows } from './prediction.queries.js';
import type { Predict, RowOutcome } from './prediction.service.js';
import {
  ConvertedOutput,
  OnInvalid,
  Prediction,
  PredictionConnection,
  PredictionFilter,
  PredictionResult,
  PredictionWarning,
  type PredictionRow,
} from './prediction.types.js';

/** What an operation reads of the predictions of a page. */
const selectedPredictions = lookAhead((connection) => predictionRows.of(pageReads(connection, predictionOrder)));

@Resolver(() => Prediction)
export class PredictionResolver implements EventSources {
  readonly sources: EventSources['sources'];

  constructor(
    readonly run: Predict,
    readonly history: PredictionHistory,
    readonly convert: ConvertOutput,
    events: PredictionEvents,
  ) {
    this.sources = {
      predictionRecorded: (_args, context) => events.open(ownerFilter(requireViewer(context))),
    };
  }

  @Query(() => [Prediction], {
    nullable: 'items',
    description:
      'Runs a model: one prediction per input, in the order of the inputs; null only for an invalid row with `onInvalid: NULL`. Predictions are recorded unless the manifest says otherwise, so the response is never cached; the results of the model are.',
  })
  @Extensions({ listSize: { lengthOf: 'inputs', modelOf: 'model' } })
  predict(
    @Arg('model', { description: 'The name of the model.' }) model: string,
    @Arg('inputs', () => [JSONObject], {
      description:
        'Rows, 1 to 1000, with the inputs that Model.current.inputs lists, by their names or in camelCase: km_driven or kmDriven.',
    })
    inputs: Record<string, unknown>[],
    @Arg('version', () => Int, { nullable: true, description: 'The version to run; the current one if absent.' })
    version: number | null,
    @Arg('onInvalid', () => OnInvalid, {
      defaultValue: OnInvalid.FAIL,
      description: 'What an invalid row does to the other rows.',
    })
    onInvalid: OnInvalid,
    @Ctx() context: Context,
  ): Promise<RowOutcome<PredictionRow>[]> {
    return this.run({ model, version: version ?? null, rows: inputs, onInvalid }, context);
  }

  @Query(() => Prediction, {
    nullable: true,
    description:
      'A prediction by id; null if unknown or not recorded, or if the viewer is neither its owner nor an ADMIN.',
  })
  async prediction(
    @Arg('id', () => ID, { description: 'The id of the prediction.' }) id: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<PredictionRow | null> {
    const [prediction] = await visiblePredictions(this.history)([decodeId('prediction', id)], context, info);
    return prediction ?? null;
  }

  @Query(() => PredictionConnection, {
    description: "The viewer's predictions, the newest first; all predictions for an ADMIN.",
  })
  async predictions(
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => PredictionFilter, { nullable: true, description: 'Conditions; all predictions if absent.' })
    filter: PredictionFilter | null,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<PredictionRow>> {
    const page = readPage(args, predictionOrder);
    const viewer = requireViewer(context);
    const scope = { ...filter, userId: ownerFilter(viewer) };
    await this.history.settled(viewer.userId);
    const count = counting(info, () => countPredictions(context.db, scope));
    const { hasRows } = pageSelection(info);
    const rows = hasRows ? await predictionPage(context.db, scope, page, selectedPredictions(info)) : [];
    return new PredictionConnection({ page, rows, count });
  }

  @Subscription(() => Prediction, {
    ...openedBySources,
    description:
      "The viewer's predictions from now on, each once it is written to the history; all predictions for an ADMIN.",
  })
  predictionRecorded(@Root() prediction: PredictionRow): PredictionRow {
    return prediction;
  }

  @Reads<PredictionRow>('id')
  @FieldResolver(() => ID, { description: 'Global ID: prediction_ and 26 characters.' })
  id(@Root() prediction: PredictionRow): string {
    return encodeId('prediction', prediction.id);
  }

  @Reads<PredictionRow>('userId')
  @FieldResolver(() => User, { nullable: true, description: 'The caller; null if the account was deleted.' })
  requestedBy(
    @Root() prediction: PredictionRow,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<UserRow | null> | null {
    return prediction.userId === null ? null : context.load(userById.selectedBy(info)).load(prediction.userId);
  }

  @Reads<PredictionRow>('model', 'signatureDigest', 'units', 'output')
  @FieldResolver(() => ConvertedOutput, {
    nullable: true,
    description:
      'The money outputs in another currency, at current exchange rates. BAD_USER_INPUT if no output is money or the currency has no rate; ' +
      'SERVICE_UNAVAILABLE if no rates are available. Other fields are unaffected.',
  })
  outputIn(
    @Root() prediction: PredictionRow,
    @Arg('currency', () => GraphQLCurrency, { description: 'ISO 4217 currency code: EUR.' })
    currency: string,
  ): Promise<ConvertedOutput> {
    return this.convert(prediction, currency.toUpperCase());
  }
}

/** Fields of `Prediction` and of the typed predictions of each model. */
@Resolver(() => PredictionResult)
export class PredictionResultResolver {
  constructor(readonly predictor: Predictor) {}

  @Reads<PredictionRow>('model', 'version', 'digest')
  @FieldResolver(() => Model, { description: 'The model that ran.' })
  model(@Root() prediction: PredictionRow): ModelView {
    return this.predictor.model(prediction.model) ?? removedModel(prediction);
  }

  @Reads<PredictionRow>('model', 'version', 'digest', 'input')
  @Extensions({ listSize: 2 })
  @FieldResolver(() => [PredictionWarning], {
    nullable: true,
    description:
      'Inputs unlike those of the training, at most 20; empty if there are none. The prediction is still made. Null if ' +
      'nothing is known of the training data, and for a recorded prediction whose version is no longer served.',
  })
  warnings(@Root() prediction: PredictionRow): readonly InputWarning[] | null {
    return prediction.warnings === undefined ? this.predictor.warningsOf(prediction) : prediction.warnings;
  }
}

@Resolver(() => User)
export class UserPredictionsResolver {
  constructor(readonly history: PredictionHistory) {}

  @Reads<UserRow>('id')
  @FieldResolver(() => PredictionConnection, {
    description: 'The predictions of this user, the newest first. For the user and ADMIN only.',
  })
  async predictions(
    @Root() user: UserRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<PredictionRow>> {
    const page = readPage(args, predictionOrder);
    await this.history.settled(user.id);
    const count = counting(info, () => context.load(predictionCountOfUser).load(user.id));
    const rows = pageSelection(info).hasRows
      ? await context.load(predictionsOfUser.selectedBy(info)).load({ ownerId: user.id, page })
      : [];
    return new PredictionConnection({ page, rows, count });
  }
}

/** A placeholder for a model that is no longer in the repository. */
function removedModel({ model, version, digest }: PredictionRow): ModelView {
  const removed = { version, digest, inputs: [], outputs: [], metrics: null };
  return {
    name: model,
    title: model,
    description: 'This model is no longer in the model repository.',
    versions: [removed],
    current: removed,
  };
}
