import { useQuery } from '@apollo/client/react';
import type { ReactNode } from 'react';
import { problemOf } from './gateway.ts';
import { PredictionRecordedDocument, RecentPredictionsDocument, type RecentPredictionFragment } from './generated/graphql.ts';
import { useEvents } from './live.ts';

const shown = 5;
const noVariables = {};

/** The last few predictions that the viewer may see; new ones come on top as they are recorded, from wherever they were asked. */
export function RecentPredictions(): ReactNode {
  const { data, error, client } = useQuery(RecentPredictionsDocument, { fetchPolicy: 'cache-and-network' });
  useEvents(PredictionRecordedDocument, noVariables, ({ predictionRecorded }) => {
    client.cache.updateQuery({ query: RecentPredictionsDocument }, (known) => {
      if (!known) return undefined;
      const others = known.predictions.nodes.filter(({ id }) => id !== predictionRecorded.id);
      return { ...known, predictions: { ...known.predictions, nodes: [predictionRecorded, ...others].slice(0, shown) } };
    });
  });
  const predictions = data?.predictions.nodes;

  return (
    <section className="card recent" aria-labelledby="recent">
      <h2 id="recent">Recent predictions</h2>
      {error && !predictions && <p className="problem">{problemOf(error)}</p>}
      {predictions?.length === 0 && <p className="muted">None yet. Ask for a price.</p>}
      <ol role="log" aria-label="Recent predictions">
        {predictions?.map((prediction) => (
          <RecentPrediction key={prediction.id} prediction={prediction} />
        ))}
      </ol>
    </section>
  );
}

const times = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const numbers = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

function RecentPrediction({ prediction: { model, input, output, source, createdAt } }: { prediction: RecentPredictionFragment }): ReactNode {
  const [answer] = Object.values(output);
  return (
    <li>
      <span>
        {typeof input.company === 'string' ? `${input.company} ${String(input.year)}` : model.title}
        <small>
          <time dateTime={createdAt}>{times.format(new Date(createdAt))}</time> · {source}
        </small>
      </span>
      <strong>{typeof answer === 'number' ? numbers.format(answer) : String(answer)}</strong>
    </li>
  );
}
