import type { Domain } from '../../graphql/domain.js';
import { ModelResolver } from './model.resolver.js';
import { PredictionRecord } from './prediction.entity.js';
import { PredictionHistory } from './prediction.history.js';
import { predictionPermissions } from './prediction.permissions.js';
import { PredictionResolver, UserPredictionsResolver } from './prediction.resolver.js';

/** Models, what they predict, and the history of it. */
export const predictionDomain: Domain = {
  name: 'prediction',
  entities: [PredictionRecord],
  resolvers: [PredictionResolver, ModelResolver, UserPredictionsResolver],
  permissions: predictionPermissions,
  open({ db, predictor, log, settings }) {
    const history = new PredictionHistory(db, log, { retentionDays: settings.predictionHistoryDays });
    return {
      resolvers: [new PredictionResolver(predictor, history), new ModelResolver(predictor), new UserPredictionsResolver(history)],
      close: () => history.close(),
    };
  },
};
