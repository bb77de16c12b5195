import type { DomainModule } from '../../graphql/module.js';
import { ModelEvents } from './model.events.js';
import { modelPermissions } from './model.permissions.js';
import { modelsByUuid, versionsByUuid } from './model.loaders.js';
import { ModelChangeResolver, ModelResolver, ModelVersionResolver } from './model.resolver.js';

/** The models that this process serves. */
export const modelDomain: DomainModule = {
  name: 'model',
  entities: [],
  resolvers: [ModelResolver, ModelVersionResolver, ModelChangeResolver],
  permissions: modelPermissions,
  load({ predictor, settings }) {
    const events = new ModelEvents({ predictor, maxBuffered: settings.streams.bufferedEvents });
    return {
      resolvers: [new ModelResolver(predictor, events), new ModelVersionResolver(), new ModelChangeResolver()],
      nodes: {
        model: {
          type: 'Model',
          readAs: 'models',
          read: (uuids, { viewer }) => Promise.resolve(modelsByUuid(predictor, uuids, viewer)),
        },
        modelversion: {
          type: 'ModelVersion',
          readAs: 'models',
          read: (uuids) => Promise.resolve(versionsByUuid(predictor, uuids)),
        },
      },
      localEntity: { type: 'Model', onChange: (listener) => predictor.onChange(listener) },
    };
  },
};

declare module '../../graphql/relay/global-id.js' {
  interface IdPrefixes {
    model: true;
    modelversion: true;
  }
}
