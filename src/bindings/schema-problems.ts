import type { GraphQLSchema } from 'graphql';
import type { FeatureSource } from '../graphql/lineage/features.js';
import type { Model, ModelProblems } from '../inference/serving/predictor.js';
import { namingProblems } from '../typed-models/naming-problems.js';
import { bindingProblems } from './bound-fields.js';

/**
 * Finds what models cannot add to a schema together: names that collide, and bindings that cannot be fields.
 * @param base the schema of the domains without models
 */
export const schemaProblems =
  (base: GraphQLSchema, features: readonly FeatureSource[]) =>
  (models: readonly Model[]): ModelProblems[] => [
    ...namingProblems(models, base),
    ...bindingProblems(models, base, features),
  ];
