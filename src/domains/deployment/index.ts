import { gatewayCaller } from '../../audit/audit-log.js';
import { boundTypes } from '../../bindings/bound-fields.js';
import type { DomainModule } from '../../graphql/module.js';
import { SignatureCompatibility } from '../../typed-models/signature-compatibility.js';
import type { Context } from '../../graphql/context/context.js';
import type { Predictor } from '../../inference/serving/predictor.js';
import { modelsByUuid } from '../model/model.loaders.js';
import type { ChangeOfGateway } from './canary.service.js';
import { ModelDeployment, StoredCanaryEvidence } from './deployment.entity.js';
import { promotionOf } from './deployment.loaders.js';
import { deploymentPermissions } from './deployment.permissions.js';
import { ModelDeploymentResolver, ModelDeploymentsResolver } from './deployment.resolver.js';
import { DeploymentWatcher } from './deployment.watcher.js';

/** Loads the promotions of served models by the UUID of the model, in order; null if the manifest selects the version. */
const deploymentsByUuid =
  (predictor: Pick<Predictor, 'models' | 'problems'>) => (uuids: readonly string[], context: Context) => {
    const promotions = context.load(promotionOf);
    return Promise.all(
      modelsByUuid(predictor, uuids, context.viewer).map((model) =>
        model ? promotions.load(model.name) : Promise.resolve(null),
      ),
    );
  };

/** Which version of each model is current: promotions, rollbacks, stopped canaries. */
export const deploymentDomain: DomainModule = {
  name: 'deployment',
  entities: [ModelDeployment, StoredCanaryEvidence],
  resolvers: [ModelDeploymentsResolver, ModelDeploymentResolver],
  permissions: deploymentPermissions,
  load({ db, databaseUrl, predictor, documents, baseSchema, features, audit, log }) {
    const change: ChangeOfGateway = (decide) => audit.change(gatewayCaller, decide);
    const deployments = new DeploymentWatcher({ db, databaseUrl, predictor, change, log });
    const compatibility = new SignatureCompatibility({
      predictor,
      baseSchema,
      boundTypes: boundTypes(features),
      liveDocuments: () => documents.trusted.all(),
      log,
    });
    return {
      resolvers: [
        new ModelDeploymentsResolver(predictor, deployments, compatibility, audit),
        new ModelDeploymentResolver(),
      ],
      nodes: {
        deployment: { type: 'ModelDeployment', readAs: 'Model.deployment', read: deploymentsByUuid(predictor) },
      },
      ready: () => deployments.ready(),
      async close() {
        compatibility.close();
        await deployments.close();
      },
    };
  },
};

declare module '../../graphql/relay/global-id.js' {
  interface IdPrefixes {
    deployment: true;
  }
}
