import { z } from 'zod';
import type { Database } from '../../database/tables.js';
import { EventFeed } from '../../graphql/subscriptions/event-feed.js';
import type { EventReader } from '../../events/event-queue.js';
import type { Logger } from '../../telemetry/logger.js';
import { topic, type PubSub } from '../../events/pub-sub.js';
import type { StoredRows } from './history/stored-rows.js';
import { predictionsById } from './prediction.queries.js';
import type { PredictionRow } from './prediction.types.js';

/** Predictions per message: the batch size of the history. */
const maxPredictions = 250;

const recordedTopic = topic(
  'prediction',
  z.strictObject({ recorded: z.array(z.strictObject({ id: z.uuid(), userId: z.uuid() })).max(maxPredictions) }),
);

type Recorded = z.infer<(typeof recordedTopic)['schema']>;

export interface PredictionEventsOptions {
  db: Database;
  pubSub: PubSub;
  log: Logger;
  maxBuffered: number;
}

/** Publishes predictions written to the history: one message per write, with ids and owners only. */
export class PredictionEvents {
  readonly #feed: EventFeed<Recorded, { userId: string | null }, PredictionRow>;

  constructor({ db, ...parts }: PredictionEventsOptions) {
    this.#feed = new EventFeed({
      ...parts,
      topic: recordedTopic,
      prepare: (messages, owners) => prepare(db, messages, owners),
    });
  }

  /** Call after the rows are committed. */
  publish(rows: Pick<StoredRows, 'owned'>): void {
    if (!this.#feed.hasListeners) return;
    const recorded = rows.owned();
    for (let start = 0; start < recorded.length; start += maxPredictions)
      this.#feed.publish({ recorded: recorded.slice(start, start + maxPredictions) });
  }

  /** @param userId the owner of the predictions; null for all owners */
  open(userId: string | null): EventReader<PredictionRow> {
    return this.#feed.open({ userId });
  }
}

/** Loads the rows that subscribers of this process need, in one statement. */
async function prepare(db: Database, messages: readonly Recorded[], owners: readonly { userId: string | null }[]) {
  const subscribed = new Set(owners.map(({ userId }) => userId));
  const isSubscribed = ({ userId }: { userId: string }): boolean => subscribed.has(null) || subscribed.has(userId);
  const ids = messages.flatMap(({ recorded }) => recorded.filter(isSubscribed).map(({ id }) => id));
  const rows = new Map((ids.length > 0 ? await predictionsById(db, ids) : []).map((row) => [row.id, row]));
  const byOwner = new Map(messages.map((message) => [message, Map.groupBy(message.recorded, ({ userId }) => userId)]));
  return (message: Recorded, { userId }: { userId: string | null }): PredictionRow[] => {
    const recorded = userId === null ? message.recorded : (byOwner.get(message)?.get(userId) ?? []);
    // The owner in the row counts, not the one in the message: other programs may write to a shared Redis.
    return recorded.flatMap(({ id }) => rows.get(id) ?? []).filter((row) => userId === null || row.userId === userId);
  };
}
