import type { Domain } from '../graphql/domain.js';
import { documentDomain } from './document/index.js';
import { employeeDomain } from './employee/index.js';
import { predictionDomain } from './prediction/index.js';
import { userDomain } from './user/index.js';

/** Every domain; each stands only on those before it. */
export const domains: readonly Domain[] = [employeeDomain, userDomain, predictionDomain, documentDomain];
