import {
  IdentifierNode,
  OperationNodeTransformer,
  sql,
  TableNode,
  type AlterTableNode,
  type CommonTableExpressionNameNode,
  type KyselyPlugin,
  type OperationNode,
  type PluginTransformQueryArgs,
  type PluginTransformResultArgs,
  type QueryResult,
  type RawBuilder,
  type ReferenceNode,
  type RootOperationNode,
  type SelectModifierNode,
  type UnknownRow,
} from 'kysely';
import type { MikroORM } from '@mikro-orm/postgresql';
import type { Database } from './tables.js';

/** The schema of tables, types and functions if none is configured. */
export const defaultSchema = 'auspex';

/**
 * Qualifies the tables of queries with a schema. A search path belongs to a session, and behind a connection pooler there is
 * none.
 */
export class SchemaNames implements KyselyPlugin {
  readonly #qualifier: Qualifier;

  constructor(readonly schema: string) {
    this.#qualifier = new Qualifier(schema);
  }

  transformQuery({ node, queryId }: PluginTransformQueryArgs): RootOperationNode {
    return this.#qualifier.qualify(node, queryId);
  }

  transformResult({ result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    return Promise.resolve(result);
  }
}

type QueryId = PluginTransformQueryArgs['queryId'];

/** Qualifies where a query names a table to read or change. Columns refer to the table by its bare name, or by its alias. */
class Qualifier extends OperationNodeTransformer {
  readonly #schema: IdentifierNode;
  /** Names that a `with` of the query defines. */
  #defined = new Set<string>();

  constructor(schema: string) {
    super();
    this.#schema = IdentifierNode.create(schema);
  }

  qualify(node: RootOperationNode, queryId: QueryId): RootOperationNode {
    this.#defined = new Set();
    return this.transformNode(node, queryId);
  }

  protected override transformNodeImpl<Node extends OperationNode>(node: Node, queryId?: QueryId): Node {
    if ('with' in node && node.with)
      for (const { name } of (node.with as WithExpressions).expressions)
        this.#defined.add(name.table.table.identifier.name);
    return super.transformNodeImpl(node, queryId);
  }

  protected override transformTable(node: TableNode): TableNode {
    const { identifier, schema } = node.table;
    if (schema || this.#defined.has(identifier.name)) return node;
    return { ...node, table: { ...node.table, schema: this.#schema } };
  }

  protected override transformReference(node: ReferenceNode): ReferenceNode {
    return node;
  }

  protected override transformSelectModifier(node: SelectModifierNode): SelectModifierNode {
    return node;
  }

  /** A new name has the schema of the table. */
  protected override transformAlterTable(node: AlterTableNode, queryId?: QueryId): AlterTableNode {
    const altered = super.transformAlterTable(node, queryId);
    return node.renameTo ? { ...altered, renameTo: node.renameTo } : altered;
  }

  protected override transformCommonTableExpressionName(
    node: CommonTableExpressionNameNode,
  ): CommonTableExpressionNameNode {
    return node;
  }
}

interface WithExpressions {
  expressions: readonly { name: CommonTableExpressionNameNode }[];
}

/** The name of a table, type or function of ours in raw SQL, qualified with the schema when the statement is compiled. */
export const owned = (name: string): RawBuilder<unknown> => sql.table(name);

/** The plugin of a database that qualifies its queries. @throws Error if it has none, and so no tables of a gateway */
export function schemaNamesOf(db: Database): SchemaNames {
  const names = db.getExecutor().plugins.find((plugin) => plugin instanceof SchemaNames);
  if (!names) throw new Error('Open the database with the plugin SchemaNames, which qualifies its queries.');
  return names;
}

/** The schema of a database's tables. */
export const schemaOf = (db: Database): string => schemaNamesOf(db).schema;

/** The schema of the entities that name none. */
export const schemaOfOrm = (orm: MikroORM): string => orm.config.get('schema');
