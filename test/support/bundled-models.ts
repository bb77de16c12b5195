import { readdirSync } from 'node:fs';
import path from 'node:path';

/** The names of the models in `model-store`, which test gateways serve by default. */
export const bundledModels: readonly string[] = readdirSync(path.join(import.meta.dirname, '..', '..', 'model-store'), {
  withFileTypes: true,
})
  .filter((entry) => entry.isDirectory() && entry.name !== 'training')
  .map(({ name }) => name)
  .sort();
