import { domains } from './index.js';

/** The values that models may use, of all domains. Apart from the list of domains, which `npm run new:type` extends at its end. */
export const features = domains.flatMap((domain) => domain.features ?? []);
