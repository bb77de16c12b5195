import { Arg, Resolver, Root, Subscription } from 'type-graphql';
import type { EventSources } from '../../graphql/domain.js';
import { knownViewer } from '../../graphql/permissions.js';
import { openedBySources } from '../../graphql/schema.js';
import { BadUserInput } from '../../shared/errors.js';
import type { ModelChanges } from './model.changes.js';
import { ModelChange, type ModelChangeEvent } from './model.types.js';
import type { PredictionEvents } from './prediction.events.js';
import { ownerFilter } from './prediction.permissions.js';
import { Prediction, type PredictionRow } from './prediction.types.js';

const maxNameLength = 100;

@Resolver()
export class PredictionStreamResolver implements EventSources {
  readonly sources: EventSources['sources'];

  constructor(predictions: PredictionEvents, models: ModelChanges) {
    this.sources = {
      predictionRecorded: (_args, context) => predictions.open(ownerFilter(knownViewer(context))),
      modelChanged: ({ name }) => models.open(checkedName(name as string | null | undefined)),
    };
  }

  @Subscription(() => Prediction, {
    ...openedBySources,
    description: 'The own predictions from now on, once each is written to the history; for an ADMIN those of everyone.',
  })
  predictionRecorded(@Root() prediction: PredictionRow): PredictionRow {
    return prediction;
  }

  @Subscription(() => ModelChange, {
    ...openedBySources,
    description: 'Models that come, go, or change what they serve, from now on, as the replica that answers has them.',
  })
  modelChanged(
    @Root() change: ModelChangeEvent,
    @Arg('name', () => String, { nullable: true, description: 'Only of the model with this name, which need not be there yet.' }) _name: string | null,
  ): ModelChangeEvent {
    return change;
  }
}

/** @throws BadUserInput */
function checkedName(name: string | null | undefined): string | null {
  if (name == null) return null;
  if (name === '' || name.length > maxNameLength) throw BadUserInput.ofFields([{ field: 'name', message: `must have 1 to ${maxNameLength} characters` }]);
  return name;
}
