import { useQuery } from '@apollo/client/react';
import type { ReactNode } from 'react';
import { problemOf } from './gateway.ts';
import {
  PredictionRecordedDocument,
  RecentPredictionsDocument,
  type RecentPredictionFragment,
} from './generated/graphql.ts';
import { useEvents } from './live.ts';
import { formatted, sourceTexts } from './outputs.tsx';

const maxShown = 5;
const noVariables = {};

/** The latest predictions visible to the viewer; new ones appear at the top as they are recorded. */
export function RecentPredictions(): ReactNode {
  const { data, error, client } = useQuery(RecentPredictionsDocument, { fetchPolicy: 'cache-and-network' });
  useEvents(PredictionRecordedDocument, noVariables, ({ predictionRecorded }) => {
    client.cache.updateQuery({ query: RecentPredictionsDocument }, (cached) => {
      if (!cached) return undefined;
      const others = cached.predictions.nodes.filter(({ id }) => id !== predictionRecorded.id);
      return {
        ...cached,
        predictions: { ...cached.predictions, nodes: [predictionRecorded, ...others].slice(0, maxShown) },
      };
    });
  });
  const predictions = data?.predictions.nodes;

  return (
    <section className="card recent" aria-labelledby="recent">
      <h2 id="recent">Recent predictions</h2>
      {error && !predictions && <p className="problem">{problemOf(error)}</p>}
      {predictions?.length === 0 && <p className="muted">No predictions yet. Run one.</p>}
      <ol role="log" aria-label="Recent predictions">
        {predictions?.map((prediction) => (
          <RecentPrediction key={prediction.id} prediction={prediction} />
        ))}
      </ol>
    </section>
  );
}

const times = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

function RecentPrediction({
  prediction: { model, output, source, createdAt },
}: {
  prediction: RecentPredictionFragment;
}): ReactNode {
  const first = model.current?.outputs[0];
  return (
    <li>
      <span>
        {model.title}
        <small>
          <time dateTime={createdAt}>{times.format(new Date(createdAt))}</time> · {sourceTexts[source]}
        </small>
      </span>
      <strong>{first && formatted(output[first.name], first.unit)}</strong>
    </li>
  );
}
