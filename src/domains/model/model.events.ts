import { ChangeKind } from '../../graphql/subscriptions/event-sources.js';
import type { Model, Predictor } from '../../inference/serving/predictor.js';
import { EventQueue, type EventReader } from '../../events/event-queue.js';
import type { ModelChangeEvent } from './model.types.js';

export interface ModelEventsOptions {
  predictor: Pick<Predictor, 'models' | 'onChange'>;
  maxBuffered: number;
}

/**
 * Publishes models that are added, removed, or change what they serve to the subscribers of this process. Every replica
 * follows the model repository and the deployments itself, so an event describes what the replica serves.
 */
export class ModelEvents {
  readonly #options: ModelEventsOptions;
  readonly #streams = new Set<{ name: string | null; queue: EventQueue<ModelChangeEvent> }>();
  #unsubscribe: (() => void) | null = null;
  #served = new Map<string, string>();

  constructor(options: ModelEventsOptions) {
    this.#options = options;
  }

  /** @param name only changes of this model; null for all models */
  open(name: string | null): EventReader<ModelChangeEvent> {
    const { predictor, maxBuffered } = this.#options;
    const queue = new EventQueue<ModelChangeEvent>({ maxBuffered, onEnd: () => this.#remove(stream) });
    const stream = { name, queue };
    this.#streams.add(stream);
    if (!this.#unsubscribe) {
      this.#served = servedBy(predictor.models());
      this.#unsubscribe = predictor.onChange(() => this.#follow());
    }
    return queue;
  }

  #remove(stream: { name: string | null; queue: EventQueue<ModelChangeEvent> }): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    this.#unsubscribe?.();
    this.#unsubscribe = null;
  }

  #follow(): void {
    const models = new Map(this.#options.predictor.models().map((model) => [model.name, model]));
    const before = this.#served;
    this.#served = servedBy([...models.values()]);
    for (const name of new Set([...before.keys(), ...this.#served.keys()])) {
      const [was, is] = [before.get(name), this.#served.get(name)];
      if (was === is) continue;
      const kind = was === undefined ? ChangeKind.CREATED : is === undefined ? ChangeKind.DELETED : ChangeKind.UPDATED;
      const event = { kind, name, model: models.get(name) ?? null };
      for (const stream of [...this.#streams])
        if (stream.name === null || stream.name === name) stream.queue.push(event);
    }
  }
}

/** A comparable text of what each model serves, without statistics and problems. */
function servedBy(models: readonly Model[]): Map<string, string> {
  return new Map(
    models.map(({ name, title, description, versions, current, canary, shadow }) => {
      const version = ({ version: number, digest, inputs, outputs, metrics }: Model['current']) => [
        number,
        digest,
        inputs,
        outputs,
        metrics,
      ];
      return [
        name,
        JSON.stringify([
          title,
          description,
          versions.map(version),
          current.version,
          canary && [canary.version, canary.percent, canary.stopped],
          shadow && [shadow.version, shadow.percent],
        ]),
      ];
    }),
  );
}
