import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildSchema, getNamedType, isObjectType, type GraphQLSchema } from 'graphql';
import pg from 'pg';
import { getMetadataStorage } from 'type-graphql';
import { projectDir } from '../../app/data-dir.js';
import { addressOf } from '../../database/database-address.js';
import { domains } from '../../domains/index.js';
import { systemErrorCode } from '../../errors/system-error-code.js';
import { tableOf } from '../../graphql/tables/existing-table.js';
import { registerDomains } from './register-domains.js';
import { readCatalog, type CatalogTable } from './catalog.js';
import { chooseTables, readNames, type DatabaseNames } from './choose-tables.js';
import { planTables, type Existing, type PlannedTable, type PlanOptions } from './plan.js';
import type { Omission } from './plan-columns.js';
import { accessOf } from './access-template.js';
import { filesOf, testOf } from './templates.js';

/** What `new:type` generates from. */
export interface TableRequest extends PlanOptions {
  /** `crm.customer`, or `crm.*` for all tables of a schema that have no type. */
  tables: string;
  databaseUrl: string;
}

/**
 * Reads tables of a database and writes a domain for each.
 * @throws Error that says what to change; nothing is written then
 */
export async function generateTables({ tables, databaseUrl, ...options }: TableRequest): Promise<void> {
  const [, schema = '', table = ''] = /^([^.]+)\.(.+)$/s.exec(tables) ?? [];
  if (schema === '' || table === '') throw new Error(`Write the table with its schema, such as public.${tables}.`);
  const known = existing();
  const { catalog, names } = await catalogOf(databaseUrl, [...known.tables, { schema }]);
  const typeOf = (one: TableName): string | null => known.tables.find((typed) => isSame(typed, one))?.type ?? null;
  const { chosen: requested, omissions: unreadable } = chooseTables(catalog, { schema, table }, typeOf, names);
  const { name, plural, key, ownedBy } = options;
  if (requested.length > 1 && (name ?? plural ?? key ?? ownedBy) !== undefined)
    throw new Error('--name, --plural, --key and --owned-by are for one table; name it with --table.');
  const { tables: planned, omissions } = planTables(
    [...catalog.filter((one) => typeOf(one) !== null), ...requested],
    known,
    options,
  );
  if (planned.length > 0) write(planned);
  report(planned, [...unreadable, ...omissions]);
}

type TableName = Pick<CatalogTable, 'schema' | 'table'>;

const isSame = (one: TableName, other: TableName): boolean => one.schema === other.schema && one.table === other.table;

/** The tables of the schemas, and the names of the database. */
async function catalogOf(
  databaseUrl: string,
  tables: readonly { schema: string }[],
): Promise<{ catalog: CatalogTable[]; names: DatabaseNames }> {
  if (!URL.canParse(databaseUrl)) throw new Error('--database must be a URL such as postgresql://user@host:5432/name.');
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect().catch((error: unknown) => {
    const { database, server } = addressOf(databaseUrl);
    const code = systemErrorCode(error) ?? 'no response';
    throw new Error(
      `The database ${database} at ${server} cannot be opened (${code}); check --database or DATABASE_URL.`,
    );
  });
  try {
    const catalogs: CatalogTable[] = [];
    for (const schema of new Set(tables.map((one) => one.schema)))
      catalogs.push(...(await readCatalog(client, schema)));
    return { catalog: catalogs, names: await readNames(client) };
  } finally {
    await client.end();
  }
}

/** The names that the repository has. */
function existing(): Existing {
  const schema = committedSchema();
  const folders = readdirSync(domainsDir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const rootFields = Object.values(schema.getQueryType()?.getFields() ?? {});
  const mutations = Object.keys(schema.getMutationType()?.getFields() ?? {});
  const mapped = domains.flatMap(({ name: folder, existingTables = [] }) =>
    existingTables.map((entity) => ({ folder, type: entity.name, ...tableOf(entity) })),
  );
  return {
    fieldsByType: new Map(mapped.map(({ type }) => [type, fieldNamesOf(schema, type)])),
    tables: mapped.map(({ folder, type, columns, ...table }) => ({
      ...table,
      type,
      folder,
      field: `${type.charAt(0).toLowerCase()}${type.slice(1)}`,
      isOwned: table.owner !== null,
      fields: rootFields.find((field) => getNamedType(field.type).name === `${type}Connection`)?.name ?? '',
      properties: new Map(columns.map(({ name, property }) => [name, property])),
    })),
    typeNames: new Set(Object.keys(schema.getTypeMap())),
    fieldNames: new Set([...rootFields.map(({ name }) => name), ...mutations]),
    folders: new Set(folders.map(({ name }) => name)),
    idPrefixes: new Set(folders.flatMap(({ name }) => idPrefixesOf(name))),
    enums: new Map(
      mapped.toReversed().flatMap(({ folder, columns }) =>
        columns.flatMap(({ type: { graphql, sqlType } }): [string, { name: string; folder: string }][] => {
          const declared = getMetadataStorage().enums.find(({ enumObj }) => enumObj === graphql);
          return declared ? [[sqlType.replace(/\[\]$/, ''), { name: declared.name, folder }]] : [];
        }),
      ),
    ),
  };
}

const committedSchema = (): GraphQLSchema =>
  buildSchema(readFileSync(path.join(projectDir, 'schema', 'schema.graphql'), 'utf8'));

function fieldNamesOf(schema: GraphQLSchema, name: string): string[] {
  const type = schema.getType(name);
  return isObjectType(type) ? Object.keys(type.getFields()) : [];
}

const domainsDir = path.join(projectDir, 'src', 'domains');

/** The prefixes that a domain declares. */
function idPrefixesOf(folder: string): string[] {
  const file = path.join(domainsDir, folder, 'index.ts');
  const declared = existsSync(file)
    ? /interface IdPrefixes \{([^}]*)\}/.exec(readFileSync(file, 'utf8'))?.[1]
    : undefined;
  return Array.from((declared ?? '').matchAll(/\b(\w{1,60}): true/g), ([, prefix = '']) => prefix);
}

/** Writes the domains, their test and their access, and updates what is generated from the schema. */
function write(tables: readonly PlannedTable[]): void {
  const files = Object.assign({}, ...tables.map(filesOf)) as Record<string, string>;
  const [first] = tables;
  const testName = tables.length === 1 && first ? first.folder : (first?.schema ?? '');
  files[freeTestFile(testName)] = testOf(tables);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.join(projectDir, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(projectDir, file), text);
    process.stdout.write(`Wrote ${file}\n`);
  }
  registerDomains(tables);
  const bin = (name: string): string => path.join(projectDir, 'node_modules', name);
  const format = (...changed: string[]): Buffer =>
    run(bin('prettier/bin/prettier.cjs'), '--write', '--log-level', 'warn', ...changed);
  format(...Object.keys(files), 'src/domains/index.ts');
  run(bin('typescript-native/bin/tsc'), '-p', 'tsconfig.build.json');
  run('dist/scripts/print-schema.js');
  const schema = committedSchema();
  const access = tables.map((table) => accessOf(table, (type) => fieldNamesOf(schema, type)));
  appendFileSync(path.join(projectDir, 'schema', 'access.yaml'), access.join(''));
  format('schema/access.yaml');
  run('dist/scripts/write-docs.js');
  run(bin('@graphql-codegen/cli/cjs/bin.js'), '--config', 'codegen.yml');
}

const run = (...args: string[]): Buffer =>
  execFileSync(process.execPath, args, { cwd: projectDir, stdio: ['ignore', 'ignore', 'inherit'] });

function freeTestFile(name: string): string {
  const base = name.toLowerCase().replaceAll(/[^a-z\d]+/g, '-');
  for (let number = 1; ; number += 1) {
    const file = `test/integration/${base}${number === 1 ? '' : `-${number}`}-tables.test.ts`;
    if (!existsSync(path.join(projectDir, file))) return file;
  }
}

function report(tables: readonly PlannedTable[], omissions: readonly Omission[]): void {
  const left = [
    ...omissions,
    ...tables.flatMap((one) =>
      one.omissions.map(({ name, reason }) => ({ name: `${one.schema}.${one.table}.${name}`, reason })),
    ),
  ];
  const listed = left.map(({ name, reason }) => `  ${name} ${reason}\n`).join('');
  process.stdout.write(`
${tables.length} types: ${tables.map(({ type }) => type).join(', ')}
${left.length === 0 ? 'Nothing is left out.' : `Left out:\n${listed.trimEnd()}`}

Signed-in users read these rows, and an ADMIN changes them; API keys and anonymous callers do not. To change that, edit canRead in
the *.loaders.ts and canWrite in the *.mutations.ts.
Next: npm start, then npm test.
`);
}
