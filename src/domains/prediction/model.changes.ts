import { ChangeKind } from '../../graphql/change.js';
import type { Model, Predictor } from '../../inference/predictor.js';
import { EventQueue, type EventReader } from '../../shared/event-queue.js';
import type { ModelChangeEvent } from './model.types.js';

export interface ModelChangesOptions {
  predictor: Pick<Predictor, 'models' | 'onChange'>;
  maxWaiting: number;
}

/**
 * Lets streams hear of models that come, go, or change what they serve. Every replica follows the model store and the
 * deployments by itself, so that each tells its own streams, and what it tells is what it serves.
 */
export class ModelChanges {
  readonly #options: ModelChangesOptions;
  readonly #streams = new Set<{ name: string | null; queue: EventQueue<ModelChangeEvent> }>();
  #stopFollowing: (() => void) | null = null;
  #served = new Map<string, string>();

  constructor(options: ModelChangesOptions) {
    this.#options = options;
  }

  /** @param name of the only model to hear of; null: of all */
  open(name: string | null): EventReader<ModelChangeEvent> {
    const { predictor, maxWaiting } = this.#options;
    const queue = new EventQueue<ModelChangeEvent>({ maxWaiting, onEnd: () => this.#remove(stream) });
    const stream = { name, queue };
    this.#streams.add(stream);
    if (!this.#stopFollowing) {
      this.#served = servedBy(predictor.models());
      this.#stopFollowing = predictor.onChange(() => this.#follow());
    }
    return queue;
  }

  #remove(stream: { name: string | null; queue: EventQueue<ModelChangeEvent> }): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    this.#stopFollowing?.();
    this.#stopFollowing = null;
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
      for (const stream of [...this.#streams]) if (stream.name === null || stream.name === name) stream.queue.push(event);
    }
  }
}

/** What each model serves, as a text to compare; neither what it has counted nor what is wrong with its folder. */
function servedBy(models: readonly Model[]): Map<string, string> {
  return new Map(
    models.map(({ name, title, description, versions, current, canary, shadow }) => {
      const version = ({ version: number, digest, inputs, outputs, metrics }: Model['current']) => [number, digest, inputs, outputs, metrics];
      return [name, JSON.stringify([title, description, versions.map(version), current.version, canary, shadow && [shadow.version, shadow.percent]])];
    }),
  );
}
