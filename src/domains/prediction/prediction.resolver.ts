import type { GraphQLResolveInfo } from 'graphql';
import { GraphQLCurrency, GraphQLJSONObject } from 'graphql-scalars';
import { Arg, Args, Ctx, Extensions, FieldResolver, ID, Info, Int, Query, Resolver, Root } from 'type-graphql';
import { counting, ForwardPageArgs, readPage, type Connection } from '../../graphql/connection.js';
import type { Context } from '../../graphql/context.js';
import { decodeId, encodeId } from '../../graphql/id.js';
import { knownViewer } from '../../graphql/permissions.js';
import type { Predictor } from '../../inference/predictor.js';
import { User } from '../user/user.entity.js';
import { userById } from '../user/user.loaders.js';
import type { UserRow } from '../user/user.types.js';
import { Model } from './model.types.js';
import type { PredictionHistory } from './prediction.history.js';
import type { ConvertOutput } from './prediction.money.js';
import { predictionCountOfUser, predictionsOfUser } from './prediction.loaders.js';
import { visiblePredictions } from './prediction.nodes.js';
import { ownerFilter } from './prediction.permissions.js';
import { countPredictions, predictionOrder, predictionPage } from './prediction.queries.js';
import type { AskModel } from './prediction.service.js';
import { ConvertedOutput, Prediction, PredictionConnection, PredictionFilter, PredictionResult, type PredictionRow } from './prediction.types.js';

@Resolver(() => Prediction)
export class PredictionResolver {
  constructor(
    readonly ask: AskModel,
    readonly history: PredictionHistory,
    readonly convert: ConvertOutput,
  ) {}

  @Query(() => [Prediction], { description: 'One answer per input, in the order of the inputs. It can be asked by GET. Each answer is recorded, so that the response is not kept; what the model has computed is.' })
  @Extensions({ listSize: { lengthOf: 'inputs' } })
  predict(
    @Arg('model', { description: 'The name of the model.' }) model: string,
    @Arg('inputs', () => [GraphQLJSONObject], { description: 'Rows, 1 to 1000, with the fields that Model.current.inputs lists.' })
    inputs: Record<string, unknown>[],
    @Arg('version', () => Int, { nullable: true, description: 'The version to ask; the current one if absent.' }) version: number | null,
    @Ctx() context: Context,
  ): Promise<PredictionRow[]> {
    return this.ask({ model, version: version ?? null, rows: inputs }, context);
  }

  @Query(() => Prediction, { nullable: true, description: 'A prediction by id; null if unknown, and for anyone but who asked and an ADMIN.' })
  async prediction(@Arg('id', () => ID, { description: 'The id of the prediction.' }) id: string, @Ctx() context: Context): Promise<PredictionRow | null> {
    const [prediction] = await visiblePredictions(this.history)([decodeId('prediction', id)], context);
    return prediction ?? null;
  }

  @Query(() => PredictionConnection, { description: 'The own predictions, the newest first; for an ADMIN those of everyone.' })
  async predictions(
    @Args(() => ForwardPageArgs) args: ForwardPageArgs,
    @Arg('filter', () => PredictionFilter, { nullable: true, description: 'Which predictions; all if absent.' }) filter: PredictionFilter | null,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<PredictionRow>> {
    const page = readPage(args, predictionOrder);
    const scope = { ...filter, userId: ownerFilter(knownViewer(context)) };
    await this.history.settled();
    const count = counting(info, () => countPredictions(context.db, scope));
    return new PredictionConnection({ page, rows: await predictionPage(context.db, scope, page), count });
  }

  @FieldResolver(() => User, { nullable: true, description: 'Who asked; null where the account is gone.' })
  requestedBy(@Root() prediction: PredictionRow, @Ctx() context: Context): Promise<UserRow | null> | null {
    return prediction.userId === null ? null : context.load(userById).load(prediction.userId);
  }

  @FieldResolver(() => ConvertedOutput, {
    nullable: true,
    description:
      'What it says of money in another currency, by the latest exchange rates. BAD_USER_INPUT where no output is money or the currency has no rate, ' +
      'SERVICE_UNAVAILABLE where no rates can be had; the rest of the answer stands.',
  })
  outputIn(
    @Root() prediction: PredictionRow,
    @Arg('currency', () => GraphQLCurrency, { description: 'A currency by its code in ISO 4217: EUR.' }) currency: string,
  ): Promise<ConvertedOutput> {
    return this.convert(prediction, currency.toUpperCase());
  }
}

/** What `Prediction` and the predictions of each model have in common. */
@Resolver(() => PredictionResult)
export class PredictionResultResolver {
  constructor(readonly predictor: Predictor) {}

  @FieldResolver(() => ID, { description: 'The id: prediction_ and 26 characters.' })
  id(@Root() prediction: PredictionRow): string {
    return encodeId('prediction', prediction.id);
  }

  @FieldResolver(() => Model, { description: 'The model that answered.' })
  model(@Root() prediction: PredictionRow): Model {
    return this.predictor.model(prediction.model) ?? removedModel(prediction);
  }
}

@Resolver(() => User)
export class UserPredictionsResolver {
  constructor(readonly history: PredictionHistory) {}

  @FieldResolver(() => PredictionConnection, { description: 'What this user has asked, the newest first. For the user and an ADMIN.' })
  async predictions(
    @Root() user: UserRow,
    @Args(() => ForwardPageArgs) args: ForwardPageArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<PredictionRow>> {
    const page = readPage(args, predictionOrder);
    await this.history.settled();
    const count = counting(info, () => context.load(predictionCountOfUser).load(user.id));
    const rows = await context.load(predictionsOfUser).load({ ownerId: user.id, page });
    return new PredictionConnection({ page, rows, count });
  }
}

/** What history still knows of a model that has left the store. */
function removedModel({ model, version, digest }: PredictionRow): Model {
  const gone = { version, digest, inputs: [], outputs: [], metrics: null };
  return { name: model, title: model, description: 'This model is no longer in the store.', versions: [gone], current: gone };
}
