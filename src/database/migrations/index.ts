import type { Constructor } from '@mikro-orm/core';
import type { Migration } from '@mikro-orm/migrations';
import { Migration20261121060739 } from './Migration20261121060739.js';
import { Migration20261121131447 } from './Migration20261121131447.js';
import { Migration20261121131905 } from './Migration20261121131905.js';
import { Migration20261121161038 } from './Migration20261121161038.js';
import { Migration20261121190000 } from './Migration20261121190000.js';
import { Migration20261127120000 } from './Migration20261127120000.js';
import { Migration20261127120100 } from './Migration20261127120100.js';
import { Migration20261127120618 } from './Migration20261127120618.js';
import { Migration20261127130000 } from './Migration20261127130000.js';
import { Migration20261127140000 } from './Migration20261127140000.js';
import { Migration20261127150000 } from './Migration20261127150000.js';
import { Migration20261127175215 } from './Migration20261127175215.js';
import { Migration20261127175543 } from './Migration20261127175543.js';
import { Migration20261127181500 } from './Migration20261127181500.js';
import { Migration20261127204500 } from './Migration20261127204500.js';
import { Migration20261127210000 } from './Migration20261127210000.js';
import { Migration20261127211700 } from './Migration20261127211700.js';
import { Migration20261128140000 } from './Migration20261128140000.js';

/** Every migration, oldest first. Append only: a released migration never changes. */
export const migrations: Constructor<Migration>[] = [
  Migration20261121060739,
  Migration20261121131447,
  Migration20261121131905,
  Migration20261121161038,
  Migration20261121190000,
  Migration20261127120000,
  Migration20261127120100,
  Migration20261127120618,
  Migration20261127130000,
  Migration20261127140000,
  Migration20261127150000,
  Migration20261127175215,
  Migration20261127175543,
  Migration20261127181500,
  Migration20261127204500,
  Migration20261127210000,
  Migration20261127211700,
  Migration20261128140000,
];
