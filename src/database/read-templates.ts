import {
  CompiledQuery,
  createQueryId,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
  type Compilable,
  type Expression,
  type RawBuilder,
  type RootOperationNode,
} from 'kysely';
import { LRUCache } from 'lru-cache';
import { addTemplateText, removeTemplateText } from './named-statements.js';
import { schemaNamesOf } from './schema-names.js';
import type { Database, Tables } from './tables.js';

/** A statement that is compiled once for each schema and executed with many values. */
export interface ReadTemplate {
  /** The text for a database. */
  textFor(db: Database): string;
  /** @returns the rows, each the values of its columns in their order */
  execute(db: Database, values: Readonly<Record<string, unknown>>): Promise<unknown[][]>;
}

/** Builds queries that are compiled and never executed. */
export const queryBuilder: Database = new Kysely<Tables>({
  dialect: {
    createDriver: () => new DummyDriver(),
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/** Lets a template be built of raw SQL. */
export const rawQuery = (query: RawBuilder<unknown>): Compilable => ({ compile: () => query.compile(queryBuilder) });

/** Stands for a value that each execution supplies. */
class Parameter {
  constructor(readonly name: string) {}
}

/** A placeholder of a template, in place of a value. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- it stands where a value of this type is expected
export const parameter = <Value>(name: string): Value => new Parameter(name) as Value;

/** A placeholder for each name, under that name. */
export const parameters = (names: readonly string[]): Record<string, never> =>
  Object.fromEntries(names.map((name) => [name, parameter<never>(name)]));

/** Whether a row of a table is one of those whose IDs are the value `ids`. */
export const hasGivenId = (table: string) => sql<boolean>`${sql.ref(`${table}.id`)} = any(${parameter('ids')}::uuid[])`;

/**
 * Executes a query for each of the values `ownerIds`: a lateral join gives each owner its own limit.
 * @param query selects by `owner.id`
 */
export const ofEachOwner = (query: Expression<unknown>): Compilable =>
  rawQuery(
    sql`select found.* from unnest(${parameter('ownerIds')}::uuid[]) as owner (id) cross join lateral (${query}) as found`,
  );

/** Upper bound of the templates that are remembered. Clients choose selections and filters, so there is no end of them. */
const maxTemplates = 1000;

const templates = new LRUCache<string, CompiledTemplate>({
  max: maxTemplates,
  dispose: (template) => template.dispose(),
});

/**
 * The template of a key, which is built at its first use.
 * @param key everything that the text of the statement depends on
 * @param options.hasStablePlan whether one plan suits all values, so that a connection may keep it
 */
export function readTemplate(
  key: string,
  build: () => Compilable,
  { hasStablePlan }: { hasStablePlan: boolean },
): ReadTemplate {
  let template = templates.get(key);
  if (!template) templates.set(key, (template = new CompiledTemplate(build().compile().query, hasStablePlan)));
  return template;
}

class CompiledTemplate implements ReadTemplate {
  /** By the schema; a process has one. */
  readonly #statements = new Map<string, CompiledQuery>();

  constructor(
    private readonly node: RootOperationNode,
    private readonly hasStablePlan: boolean,
  ) {}

  textFor(db: Database): string {
    return this.#statementFor(db).sql;
  }

  async execute(db: Database, values: Readonly<Record<string, unknown>>): Promise<unknown[][]> {
    const statement = this.#statementFor(db);
    const { rows } = await db.executeQuery<unknown>({
      ...statement,
      parameters: statement.parameters.map((one) => valueOf(one, values)),
    });
    return rows.map(valuesOf);
  }

  /** Removes the texts from those that connections know. */
  dispose(): void {
    for (const { sql: text } of this.#statements.values()) removeTemplateText(text);
  }

  #statementFor(db: Database): CompiledQuery {
    const names = schemaNamesOf(db);
    let statement = this.#statements.get(names.schema);
    if (!statement) {
      const queryId = createQueryId();
      const node = names.transformQuery({ node: this.node, queryId });
      const { sql: text, parameters: placeholders } = queryBuilder.getExecutor().compileQuery(node, queryId);
      // Not the node, which would stay in memory for each schema.
      statement = { ...CompiledQuery.raw(text), parameters: placeholders };
      this.#statements.set(names.schema, statement);
      addTemplateText(text, { hasStablePlan: this.hasStablePlan });
    }
    return statement;
  }
}

function valueOf(value: unknown, values: Readonly<Record<string, unknown>>): unknown {
  if (!(value instanceof Parameter)) return value;
  if (!Object.hasOwn(values, value.name)) throw new Error(`The statement needs a value of ${value.name}.`);
  // eslint-disable-next-line auspex/own-names -- checked above; the value may be undefined
  return values[value.name];
}

/** Connections other than `PooledConnection` return objects. */
const valuesOf = (row: unknown): unknown[] => (Array.isArray(row) ? row : Object.values(row as object));
