import { literal } from './identifiers.js';
import { mutationNames, mutations } from './mutation-templates.js';
import type { PlannedEnum, PlannedRelation, PlannedTable, TableType } from './plan.js';
import type { PlannedColumn } from './plan-columns.js';

/** The files of a domain that reads an existing table: paths from the project's folder, with their texts. */
export function filesOf(table: PlannedTable): Record<string, string> {
  const { folder, relations } = table;
  const file = (part: string): string => `src/domains/${folder}/${folder}.${part}.ts`;
  return {
    [file('entity')]: entity(table),
    [file('loaders')]: loaders(table),
    ...(table.writes ? { [file('mutations')]: mutations(table) } : {}),
    [file('permissions')]: permissions(table),
    [file('resolver')]: resolver(table),
    ...(relations.length > 0 ? { [file('relations')]: relationResolvers(table) } : {}),
    [`src/domains/${folder}/index.ts`]: index(table),
  };
}

export const aggregateField = ({ fields }: Pick<TableType, 'fields'>): string => `${fields}Aggregate`;

/** The import of a file of a domain, as another domain or the same one sees it. */
const importOf = (names: readonly string[], from: Pick<TableType, 'folder'>, part: string, self: TableType): string => {
  const folder = from.folder === self.folder ? '.' : `../${from.folder}`;
  return `import { ${names.join(', ')} } from '${folder}/${from.folder}.${part}.js';`;
};

function entity(table: PlannedTable): string {
  const { type, schema, columns, enums, importedEnums, description, ownedBy } = table;
  const helpers = ['column', 'enumOf', 'listOf', 'textOf'].filter((name) =>
    columns.some((one) => new RegExp(`\\b${name}\\b`).test(one.type)),
  );
  const owner = ownedBy === null ? '' : `, ownedBy: ${literal(ownedBy)}`;
  return `${enums.length > 0 ? "import { registerEnumType } from 'type-graphql';\n" : ''}import { ${helpers.join(', ')} } from '../../graphql/tables/column-types.js';
import { Column, ExistingTable } from '../../graphql/tables/existing-table.js';
${importedEnums.map(({ name, folder }) => `${importOf([name], { folder }, 'entity', table)}\n`).join('')}
${enums.map(enumDeclaration).join('\n')}
@ExistingTable({ schema: ${literal(schema)}, table: ${literal(table.table)}, description: ${literal(description)}${owner} })
export class ${type} {
${columns.map(property).join('\n')}}
`;
}

const enumDeclaration = ({ name, sqlName, values }: PlannedEnum): string => `export enum ${name} {
${values.map(([key, value]) => `  ${key} = ${literal(value)},`).join('\n')}
}
registerEnumType(${name}, {
  name: '${name}',
  description: ${literal(`The values of the type ${sqlName}.`)},
  valuesConfig: {
${values.map(([key, value]) => `    ${key}: { description: ${literal(`The value ${value}.`)} },`).join('\n')}
  },
});
`;

function property({ property, name, type, tsType, description, ...column }: PlannedColumn): string {
  const isDerived = property.replaceAll(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`) === name;
  const options = [
    ...(isDerived ? [] : [`name: ${literal(name)}`]),
    ...(column.isKey ? ['isKey: true'] : []),
    ...(column.isGenerated ? ['isGenerated: true'] : []),
    ...(column.isNullable && !column.isKey ? ['nullable: true'] : []),
    ...(column.hasDefault && !column.isGenerated ? ['hasDefault: true'] : []),
    ...(column.maxLength === null ? [] : [`maxLength: ${column.maxLength}`]),
    ...(column.isIndexed ? ['isIndexed: true'] : []),
    `description: ${literal(description)}`,
  ];
  const nullable = column.isNullable && !column.isKey && tsType !== 'unknown' ? ' | null' : '';
  return `  @Column(${type}, { ${options.join(', ')} })
  ${property}!: ${tsType}${nullable};
`;
}

const loaders = (table: PlannedTable): string => `import type { RowOf } from '../../database/rows.js';
import { isSession } from '../../graphql/permissions/rules.js';
import { connectionType } from '../../graphql/relay/connection.js';
import { tableAggregate, tableArgs } from '../../graphql/tables/table-args.js';
import { TableReads } from '../../graphql/tables/table-reads.js';
${importOf([table.type], table, 'entity', table)}

export type ${table.type}Row = RowOf<${table.type}>;

export const ${table.type}Connection = connectionType<${table.type}Row>(${table.type}, '${table.type}');
export const ${table.type}Args = tableArgs(${table.type});
export const { Aggregate: ${table.type}Aggregate, Args: ${table.type}AggregateArgs } = tableAggregate(${table.type});

/** Reads ${table.schema}.${table.table}. \`canRead\` is also the rule of the fields of other types that return these rows. */
export const ${table.fields} = new TableReads<${table.type}Row>({
  entity: ${table.type},
  connection: ${table.type}Connection,
  idPrefix: '${table.idPrefix}',
  canRead: isSession,
});
`;

function permissions(table: PlannedTable): string {
  const byOwner = Map.groupBy(table.relations, ({ owner }) => owner.type);
  const targets = new Map(table.relations.map(({ target }) => [target.folder, target]));
  targets.set(table.folder, table);
  const rules = [...byOwner].map(
    ([owner, relations]) =>
      `  ${owner}: { ${relations.map(({ field, target }) => `${field}: ${target.fields}.canRead`).join(', ')} },\n`,
  );
  const writes = table.writes ? `${table.field}Writes` : null;
  const written = mutationNames(table).map((name) => `${name}: ${writes ?? ''}.canWrite`);
  return `import type { Permissions } from '../../graphql/permissions/rules.js';
${[...targets.values()].map((target) => importOf([target.fields], target, 'loaders', table)).join('\n')}
${writes === null ? '' : `${importOf([writes], table, 'mutations', table)}\n`}
export const ${table.field}Permissions: Permissions = {
  Query: { ${table.field}: ${table.fields}.canRead, ${table.fields}: ${table.fields}.canRead, ${aggregateField(table)}: ${table.fields}.canRead },
${written.length === 0 ? '' : `  Mutation: { ${written.join(', ')} },\n`}${rules.join('')}};
`;
}

const resolver = (table: PlannedTable): string => {
  const { type, field, fields, noun, nouns, columns } = table;
  const key = columns.filter(({ isKey }) => isKey).map((column) => literal(column.property));
  return `import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, Extensions, FieldResolver, ID, Info, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../graphql/context/context.js';
import { aggregateLimits, type AggregateRow } from '../../graphql/filtering/aggregate-types.js';
import type { Connection } from '../../graphql/relay/connection.js';
import { Reads } from '../../graphql/schema/reads.js';
import type { AggregateArgs, TableArgs } from '../../graphql/tables/table-args.js';
${importOf([type], table, 'entity', table)}
${importOf([`${type}Aggregate`, `${type}AggregateArgs`, `${type}Args`, `${type}Connection`, fields, `type ${type}Row`], table, 'loaders', table)}

@Resolver(() => ${type})
export class ${type}Resolver {
  @Query(() => ${type}, { nullable: true, description: 'Row of ${noun} by ID; null if unknown.' })
  ${field}(
    @Arg('id', () => ID, { description: 'The global ID.' }) id: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<${type}Row | null> {
    return ${fields}.byId(id, context, info);
  }

  @Query(() => ${type}Connection, { description: 'A page of ${nouns}, by their key.' })
  ${fields}(
    @Args(() => ${type}Args) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<${type}Row>> {
    return ${fields}.page(args, context, info);
  }

  @Extensions({ listSize: aggregateLimits.groups })
  @Query(() => [${type}Aggregate], { description: 'Counts and aggregates ${nouns}: one group of all that match the filter, or a group for each key of groupBy.' })
  ${aggregateField(table)}(
    @Args(() => ${type}AggregateArgs) args: AggregateArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<AggregateRow[]> {
    return ${fields}.aggregate(args, context, info);
  }

  @Reads<${type}Row>(${key.join(', ')})
  @FieldResolver(() => ID, { description: 'Global ID.' })
  id(@Root() row: ${type}Row): string {
    return ${fields}.idOf(row);
  }
}
`;
};

/** The name of the class with the fields that a table adds to a type. */
const relationClass = (table: PlannedTable, owner: TableType): string => `${table.type}RelationsOf${owner.type}`;

function relationResolvers(table: PlannedTable): string {
  const { relations } = table;
  const owners = Map.groupBy(relations, ({ owner }) => owner);
  const involved = new Map(relations.flatMap(({ owner, target }) => [owner, target]).map((one) => [one.folder, one]));
  const hasMany = relations.some(({ kind }) => kind === 'many');
  const hasOne = relations.some(({ kind }) => kind === 'one');
  const imports = [...involved.values()].flatMap((one) => {
    const isMany = relations.some(({ kind, target }) => kind === 'many' && target === one);
    const isRead = relations.some(({ kind, owner, target }) => target === one || (kind === 'one' && owner === one));
    const names = [
      ...(isMany ? [`${one.type}Args`, `${one.type}Connection`] : []),
      ...(isRead ? [one.fields] : []),
      `type ${one.type}Row`,
    ];
    return [importOf([one.type], one, 'entity', table), importOf(names, one, 'loaders', table)];
  });
  return `import type { GraphQLResolveInfo } from 'graphql';
import { ${hasMany ? 'Args, ' : ''}Ctx, FieldResolver, Info, Resolver, Root } from 'type-graphql';
import type { Context } from '../../graphql/context/context.js';
${hasMany ? "import type { Connection } from '../../graphql/relay/connection.js';\n" : ''}${hasMany ? "import { Reads } from '../../graphql/schema/reads.js';\n" : ''}${hasOne ? "import { References } from '../../graphql/tables/references.js';\n" : ''}${hasMany ? "import type { TableArgs } from '../../graphql/tables/table-args.js';\n" : ''}${imports.join('\n')}

${relations.map(relatedFilter).join('')}
${[...owners].map(([owner, fields]) => relationsOf(table, owner, fields)).join('\n')}`;
}

/** Adds conditions on the row of a foreign key to the filters of its table. */
function relatedFilter({ kind, owner, field, target, columns }: PlannedRelation): string {
  if (kind === 'many') return '';
  const key = columns.map(([from, to]) => `${from}: ${literal(to)}`).join(', ');
  return `${owner.fields}.relate(${literal(field)}, ${target.fields}, { ${key} });\n`;
}

const relationsOf = (
  table: PlannedTable,
  owner: TableType,
  relations: readonly PlannedRelation[],
): string => `@Resolver(() => ${owner.type})
export class ${relationClass(table, owner)} {
${relations.map(relationField).join('\n')}}
`;

function relationField(relation: PlannedRelation): string {
  return relation.kind === 'many' ? manyField(relation) : referenceField(relation);
}

function manyField({ owner, field, target, columns, description }: PlannedRelation): string {
  const reads = [...new Set(columns.map(([from]) => literal(from)))].join(', ');
  const values = columns.map(([from, to]) => `${to}: row.${from}`).join(', ');
  return `  @Reads<${owner.type}Row>(${reads})
  @FieldResolver(() => ${target.type}Connection, { description: ${literal(description)} })
  ${field}(
    @Root() row: ${owner.type}Row,
    @Args(() => ${target.type}Args) args: TableArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<${target.type}Row>> {
    return ${target.fields}.of({ ${values} }, args, context, info);
  }
`;
}

function referenceField({ owner, field, target, columns, description }: PlannedRelation): string {
  const key = columns.map(([from, to]) => `${from}: ${literal(to)}`).join(', ');
  return `  @References<${owner.type}Row>(() => ${target.fields}, { ${key} })
  @FieldResolver(() => ${target.type}, { nullable: true, description: ${literal(description)} })
  ${field}(
    @Root() row: ${owner.type}Row,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<${target.type}Row | null> | ${target.type}Row | null {
    return ${target.fields}.referenced(row, context, info);
  }
`;
}

function index(table: PlannedTable): string {
  const { type, field, fields, folder, relations, idPrefix } = table;
  const classes = [...new Set(relations.map(({ owner }) => owner))].map((owner) => relationClass(table, owner));
  const resolvers = [`${type}Resolver`, ...classes];
  const written = table.writes ? [`${type}Mutations`] : [];
  return `import type { DomainModule } from '../../graphql/module.js';
${importOf([type], table, 'entity', table)}
${importOf([fields], table, 'loaders', table)}
${written.length > 0 ? `${importOf(written, table, 'mutations', table)}\n` : ''}${importOf([`${field}Permissions`], table, 'permissions', table)}
${classes.length > 0 ? `${importOf(classes, table, 'relations', table)}\n` : ''}${importOf([`${type}Resolver`], table, 'resolver', table)}

/** ${table.writes ? 'Reads and writes' : 'Reads'} the ${table.kind} ${table.schema}.${table.table}. */
export const ${field}Domain: DomainModule = {
  name: '${folder}',
  entities: [],
  existingTables: [${type}],
  resolvers: [${[...resolvers, ...written].join(', ')}],
  permissions: ${field}Permissions,
  features: [${fields}.features],
  load: (${table.writes ? '{ audit }' : ''}) => ({
    resolvers: [${[...resolvers.map((name) => `new ${name}()`), ...written.map((name) => `new ${name}(audit)`)].join(', ')}],
    nodes: ${fields}.nodes('${field}'),
  }),
};

declare module '../../graphql/relay/global-id.js' {
  interface IdPrefixes {
    ${idPrefix}: true;
  }
}
`;
}

/** The test of the tables of one run. */
export const testOf = (
  tables: readonly PlannedTable[],
): string => `import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { expectNoAccess, expectReads, expectWrites } from '../support/table-tests.js';
import { startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

describe.each([
${tables.map(({ type, field, fields }) => `  { type: '${type}', one: '${field}', many: '${fields}' },\n`).join('')}])('$type', (table) => {
  it('is read by page, by ID and as a node, with its relations', () => expectReads(gateway, table));

  it('is hidden from anonymous callers and from API keys', () => expectNoAccess(gateway, table));

  it('is changed by an ADMIN alone', () => expectWrites(gateway, table));
});
`;
