import { z } from 'zod';
import type { Database } from '../../database/tables.js';
import { EventFeed } from '../../graphql/subscriptions/event-feed.js';
import type { EventReader } from '../../events/event-queue.js';
import type { Logger } from '../../telemetry/logger.js';
import { topic, type PubSub } from '../../events/pub-sub.js';
import { predictionsById } from './prediction.queries.js';
import type { PredictionRow } from './prediction.types.js';

/** Predictions per message. */
const maxPredictions = 250;

/** The ids of predictions by their owners. */
const recordedTopic = topic(
  'prediction',
  z.strictObject({
    recorded: z
      .array(z.strictObject({ userId: z.uuid(), ids: z.array(z.uuid()).max(maxPredictions) }))
      .max(maxPredictions),
  }),
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

  /** Call after the rows are committed. @param byOwner the ids of predictions by their owners */
  publish(byOwner: ReadonlyMap<string, readonly string[]>): void {
    if (!this.#feed.hasListeners) return;
    let message: Recorded = { recorded: [] };
    let room = maxPredictions;
    for (const [userId, ids] of byOwner)
      for (let start = 0; start < ids.length;) {
        const part = ids.slice(start, start + room);
        message.recorded.push({ userId, ids: part });
        start += part.length;
        room -= part.length;
        if (room > 0) continue;
        this.#feed.publish(message);
        [message, room] = [{ recorded: [] }, maxPredictions];
      }
    if (message.recorded.length > 0) this.#feed.publish(message);
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
  const ids = messages.flatMap(({ recorded }) => recorded.filter(isSubscribed).flatMap(({ ids }) => ids));
  const rows = new Map((ids.length > 0 ? await predictionsById(db, ids) : []).map((row) => [row.id, row]));
  return ({ recorded }: Recorded, { userId }: { userId: string | null }): PredictionRow[] => {
    const ids = recorded.flatMap((owned) => (userId === null || owned.userId === userId ? owned.ids : []));
    // The owner in the row counts, not the one in the message: other programs may write to a shared Redis.
    return ids.flatMap((id) => rows.get(id) ?? []).filter((row) => userId === null || row.userId === userId);
  };
}
