import type { Domain } from '../../graphql/domain.js';
import { ModelDeployment } from './deployment.entity.js';
import { DeploymentWatcher } from './deployment.watcher.js';
import { ModelChanges } from './model.changes.js';
import { ModelDeploymentResolver, ModelResolver } from './model.resolver.js';
import { PredictionRecord } from './prediction.entity.js';
import { PredictionEvents } from './prediction.events.js';
import { PredictionHistory } from './prediction.history.js';
import { visiblePredictions } from './prediction.nodes.js';
import { predictionPermissions } from './prediction.permissions.js';
import { PredictionResolver, PredictionResultResolver, UserPredictionsResolver } from './prediction.resolver.js';
import { askingModels } from './prediction.service.js';
import { PredictionStreamResolver } from './stream.resolver.js';
import { SignatureContract, typedModels } from './typed-models/index.js';

/** Models, what they predict, and the history of it. */
export const predictionDomain: Domain = {
  name: 'prediction',
  entities: [PredictionRecord, ModelDeployment],
  resolvers: [PredictionResolver, PredictionResultResolver, ModelResolver, ModelDeploymentResolver, UserPredictionsResolver, PredictionStreamResolver],
  permissions: predictionPermissions,
  open({ db, databaseUrl, predictor, documents, pubSub, baseSchema, log, settings }) {
    const maxWaiting = settings.streams.bufferedEvents;
    const events = new PredictionEvents({ db, pubSub, log, maxWaiting });
    const history = new PredictionHistory(db, log, { retentionDays: settings.predictionHistoryDays, onWritten: (rows) => events.tell(rows) });
    const deployments = new DeploymentWatcher({ db, databaseUrl, predictor, log });
    const contract = new SignatureContract({ predictor, baseSchema, liveDocuments: () => documents.trusted.all(), log });
    const ask = askingModels(predictor, history);
    return {
      resolvers: [
        new PredictionResolver(ask, history),
        new PredictionResultResolver(predictor),
        new ModelResolver(predictor, deployments, contract),
        new ModelDeploymentResolver(),
        new UserPredictionsResolver(history),
        new PredictionStreamResolver(events, new ModelChanges({ predictor, maxWaiting })),
      ],
      queue: history,
      localEntity: { type: 'Model', onChange: (listener) => predictor.onChange(listener) },
      nodes: { prediction: { type: 'Prediction', readAs: 'prediction', read: visiblePredictions(history) } },
      extension: typedModels(predictor, ask),
      ready: () => deployments.ready(),
      async close() {
        contract.close();
        await Promise.all([history.close(), deployments.close()]);
      },
    };
  },
};
