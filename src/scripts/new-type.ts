import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../app/data-dir.js';
import { registerDomains } from './existing-tables/register-domains.js';
import { failUsage, parseCli } from './lib/cli.js';
import { namesOf, type TypeNames } from './new-type/names.js';
import { filesOf } from './new-type/templates.js';

const usage = `Usage: npm run new:type -- <Name> [--plural <Names>]

Writes a domain for a new type: src/domains/<name>/ with entity, types, queries, loaders, service, permissions and
resolver, and an integration test. Registers it in src/domains/index.ts.

With --table it writes the domain of an existing table or view instead, which no migration changes; with --tables those of a
schema. See docs/your-own-data.md.

  npm run new:type -- Project
  npm run new:type -- Person --plural People
  npm run new:type -- --table crm.customer --database postgresql://reader@db.example.com/company
  npm run new:type -- --tables 'crm.*'

  --table <schema.table>   an existing table or view
  --tables '<schema>.*'    all tables and views of a schema that have no type
  --database <url>         their database; DATABASE_URL by default, as the gateway reads it
  --name <Name>            the type, instead of the table's name
  --plural <Names>         its plural
  --key <column,column>    the columns that identify a row, for a view or a table without a key
  --read-only              without mutations
  --owned-by <column>      holds the ID of the user who owns the row: other users, except an ADMIN, do not see it
`;

/** Names that JavaScript or TypeScript does not accept as a variable or a type. */
const reservedWord =
  /^(?:abstract|any|as|async|await|boolean|break|case|catch|class|const|continue|debugger|declare|default|delete|do|else|enum|export|extends|false|finally|for|from|function|get|if|implements|import|in|instanceof|interface|is|keyof|let|module|namespace|never|new|null|number|object|of|package|private|protected|public|readonly|return|set|static|string|super|switch|symbol|this|throw|true|try|type|typeof|undefined|unknown|var|void|while|with|yield)$/i;

const { values, positionals } = parseCli(usage, {
  options: {
    plural: { type: 'string' },
    table: { type: 'string' },
    tables: { type: 'string' },
    database: { type: 'string' },
    name: { type: 'string' },
    key: { type: 'string' },
    'owned-by': { type: 'string' },
    'read-only': { type: 'boolean' },
  },
  maxPositionals: 1,
});
const [name] = positionals;
const tables = values.table ?? values.tables;
if ((name === undefined) === (tables === undefined))
  failUsage(usage, 'Name one type, or an existing table with --table.');
try {
  if (name !== undefined) writeDomain(namesOf(name, values.plural));
  else if (tables !== undefined) await writeTables(tables);
} catch (error) {
  failUsage(usage, error instanceof Error ? error.message : String(error));
}

async function writeTables(tables: string): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const databaseUrl = values.database ?? process.env.DATABASE_URL;
  if (databaseUrl === undefined) throw new Error('Name the database with --database, or set DATABASE_URL.');
  const { generateTables } = await import('./existing-tables/generate.js');
  const { name, plural, key, 'owned-by': ownedBy, 'read-only': readOnly } = values;
  await generateTables({ tables, databaseUrl, name, plural, key: key?.split(','), ownedBy, readOnly });
}

/** @throws Error if a file or the name exists; nothing is written then */
function writeDomain(names: TypeNames): void {
  assertNoCollision(names);
  const files = filesOf(names);
  const existing = Object.keys(files).find((file) => existsSync(path.join(projectDir, file)));
  if (existing !== undefined) throw new Error(`${existing} already exists; choose another name or delete it.`);
  const schema = readFileSync(path.join(projectDir, 'schema', 'schema.graphql'), 'utf8');
  const taken = [names.type, names.types].find((name) =>
    new RegExp(`^(?:type|input|enum|interface|scalar|union) ${name}\\b`, 'm').test(schema),
  );
  if (taken !== undefined) throw new Error(`The schema already has a type ${taken}; choose another name.`);

  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.join(projectDir, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(projectDir, file), text);
    process.stdout.write(`Wrote ${file}\n`);
  }
  registerDomains([names]);
  process.stdout.write(`
Next:
  npm run migration:create     writes the migration of the table
  npm run schema               adds the type to schema/schema.graphql
  npm run format
  npm test
`);
}

/** @throws Error if the generated code uses one of the names for something else, such as `Connection` or `Class` */
function assertNoCollision({ type, types, field, fields }: TypeNames): void {
  const generated = Object.values(filesOf(namesOf('Zplaceholder', undefined))).join('\n');
  const colliding = [type, types, field, fields].find(
    (name) => reservedWord.test(name) || new RegExp(`\\b${name}\\b`).test(generated),
  );
  if (colliding !== undefined)
    throw new Error(`${colliding} would collide with a name in the generated code; choose another name.`);
}
