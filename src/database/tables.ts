import type { Kysely } from 'kysely';

export type SnakeCase<Name extends string> = Name extends `${infer Head}${infer Tail}`
  ? Head extends Lowercase<Head>
    ? `${Head}${SnakeCase<Tail>}`
    : `_${Lowercase<Head>}${SnakeCase<Tail>}`
  : '';

/** An entity's table as SQL sees it: the same properties with snake_case names. Typed from the entity, so that both stay one. */
export type Columns<Entity> = {
  [Name in keyof Entity & string as SnakeCase<Name>]: Exclude<Entity[Name], undefined>;
};

/**
 * Every table by its name. Each entity file adds its own by declaration merging, so that reads are typed
 * and this folder knows no domain.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- filled by the entities
export interface Tables {}

/** Reads go through this: rows, without the unit of work that writes need. */
export type Database = Kysely<Tables>;
