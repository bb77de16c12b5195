import type { Constructor } from '@mikro-orm/core';
import type { Migration } from '@mikro-orm/migrations';
import { Migration20261121060739 } from './Migration20261121060739.js';
import { Migration20261121131447 } from './Migration20261121131447.js';
import { Migration20261121131905 } from './Migration20261121131905.js';
import { Migration20261121161038 } from './Migration20261121161038.js';
import { Migration20261121190000 } from './Migration20261121190000.js';

/** Every migration in the order of its making. Append only: a released migration never changes. */
export const migrations: Constructor<Migration>[] = [Migration20261121060739, Migration20261121131447, Migration20261121131905, Migration20261121161038, Migration20261121190000];
