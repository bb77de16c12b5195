import { boundFields } from '../../bindings/bound-fields.js';
import type { DomainModule } from '../../graphql/module.js';
import { PredictionRecord } from './prediction.entity.js';
import { PredictionEvents } from './prediction.events.js';
import { PredictionHistory } from './history/history.js';
import { journalDirOf } from './history/journal-dir.js';
import { HistoryRetention } from './history/retention.js';
import { createOutputConverter } from './prediction.money.js';
import { visiblePredictions } from './prediction.nodes.js';
import { predictionPermissions } from './prediction.permissions.js';
import { PredictionResolver, PredictionResultResolver, UserPredictionsResolver } from './prediction.resolver.js';
import { PredictionQuota } from './prediction.quota.js';
import { createPredict } from './prediction.service.js';
import { typedPredictions } from './typed-predictions.js';

/** Predictions and their history. */
export const predictionDomain: DomainModule = {
  name: 'prediction',
  entities: [PredictionRecord],
  resolvers: [PredictionResolver, PredictionResultResolver, UserPredictionsResolver],
  permissions: predictionPermissions,
  load({ db, readYourWrites, predictor, features, exchangeRates, pubSub, counters, log, settings }) {
    const events = new PredictionEvents({ db, pubSub, log, maxBuffered: settings.streams.bufferedEvents });
    const history = new PredictionHistory(db, log, {
      onWritten(rows) {
        const byOwner = rows.idsByOwner();
        for (const owner of byOwner.keys()) void readYourWrites.pin(owner);
        events.publish(byOwner);
      },
    });
    const retention = new HistoryRetention(db, log, { days: settings.historyRetentionDays });
    const quota = new PredictionQuota(settings.predictions, counters);
    const predict = createPredict(predictor, history, quota);
    return {
      resolvers: [
        new PredictionResolver(predict, history, createOutputConverter(exchangeRates, log), events),
        new PredictionResultResolver(predictor),
        new UserPredictionsResolver(history),
      ],
      queue: history,
      async ready() {
        void retention.run();
        const { predictionJournalDir: dir } = settings;
        if (dir !== null) await history.openJournal(await journalDirOf(db, dir));
      },
      nodes: { prediction: { type: 'Prediction', readAs: 'prediction', read: visiblePredictions(history) } },
      extensions: [typedPredictions(predictor, predict), boundFields(predictor, features, quota)],
      async close() {
        await retention.close();
        await history.close();
      },
    };
  },
};

declare module '../../graphql/relay/global-id.js' {
  interface IdPrefixes {
    prediction: true;
  }
}
