import type { DomainModule } from '../graphql/module.js';
import { auditDomain } from './audit/index.js';
import { deploymentDomain } from './deployment/index.js';
import { employeeDomain } from './employee/index.js';
import { modelDomain } from './model/index.js';
import { documentDomain } from './persisted-document/index.js';
import { predictionDomain } from './prediction/index.js';
import { userDomain } from './user/index.js';

/** All domains; each may import types, entities and loaders of those before it. */
export const domains: readonly DomainModule[] = [
  employeeDomain,
  userDomain,
  modelDomain,
  deploymentDomain,
  predictionDomain,
  documentDomain,
  auditDomain,
];
