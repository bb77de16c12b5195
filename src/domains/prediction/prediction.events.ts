import { z } from 'zod';
import type { Database } from '../../database/tables.js';
import { EventFeed } from '../../graphql/event-feed.js';
import type { EventReader } from '../../shared/event-queue.js';
import type { Logger } from '../../shared/logger.js';
import { topic, type PubSub } from '../../shared/pub-sub.js';
import { predictionsById } from './prediction.queries.js';
import type { PredictionRow } from './prediction.types.js';

/** Predictions of one message; the history writes as many at a time. */
const maxPredictions = 250;

const recordedTopic = topic(
  'prediction',
  z.strictObject({ recorded: z.array(z.strictObject({ id: z.uuid(), userId: z.uuid() })).max(maxPredictions) }),
);

type Recorded = z.infer<(typeof recordedTopic)['form']>;

export interface PredictionEventsOptions {
  db: Database;
  pubSub: PubSub;
  log: Logger;
  maxWaiting: number;
}

/** Tells which predictions were written to the history: one message a write, with ids and owners only. */
export class PredictionEvents {
  readonly #feed: EventFeed<Recorded, { userId: string | null }, PredictionRow>;

  constructor({ db, ...parts }: PredictionEventsOptions) {
    this.#feed = new EventFeed({ ...parts, topic: recordedTopic, prepare: (messages, owners) => prepare(db, messages, owners) });
  }

  /** To be called once the rows are committed. */
  tell(rows: readonly PredictionRow[]): void {
    const recorded = rows.flatMap(({ id, userId }) => (userId === null ? [] : [{ id, userId }]));
    for (let start = 0; start < recorded.length; start += maxPredictions) this.#feed.tell({ recorded: recorded.slice(start, start + maxPredictions) });
  }

  /** @param userId whose predictions; null: everyone's */
  open(userId: string | null): EventReader<PredictionRow> {
    return this.#feed.open({ userId });
  }
}

/** The rows that somebody here wants, by one statement. */
async function prepare(db: Database, messages: readonly Recorded[], owners: readonly { userId: string | null }[]) {
  const wanted = new Set(owners.map(({ userId }) => userId));
  const isWanted = ({ userId }: { userId: string }): boolean => wanted.has(null) || wanted.has(userId);
  const ids = messages.flatMap(({ recorded }) => recorded.filter(isWanted).map(({ id }) => id));
  const rows = new Map((ids.length > 0 ? await predictionsById(db, ids) : []).map((row) => [row.id, row]));
  const byOwner = new Map(messages.map((message) => [message, Map.groupBy(message.recorded, ({ userId }) => userId)]));
  return (message: Recorded, { userId }: { userId: string | null }): PredictionRow[] => {
    const recorded = userId === null ? message.recorded : (byOwner.get(message)?.get(userId) ?? []);
    // The row tells whose it is, whatever the message says: anyone may write to a shared Redis.
    return recorded.flatMap(({ id }) => rows.get(id) ?? []).filter((row) => userId === null || row.userId === userId);
  };
}
