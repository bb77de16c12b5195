import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../app/data-dir.js';
import { failUsage, parseCli } from './lib/cli.js';
import { namesOf, type TypeNames } from './new-type/names.js';
import { filesOf } from './new-type/templates.js';

const usage = `Usage: npm run new:type -- <Name> [--plural <Names>]

Writes a domain for a new type: src/domains/<name>/ with entity, types, queries, loaders, service, permissions and
resolver, and an integration test. Registers it in src/domains/index.ts.

  npm run new:type -- Project
  npm run new:type -- Person --plural People
`;

/** Names that JavaScript or TypeScript does not accept as a variable or a type. */
const reservedWord =
  /^(?:abstract|any|as|async|await|boolean|break|case|catch|class|const|continue|debugger|declare|default|delete|do|else|enum|export|extends|false|finally|for|from|function|get|if|implements|import|in|instanceof|interface|is|keyof|let|module|namespace|never|new|null|number|object|of|package|private|protected|public|readonly|return|set|static|string|super|switch|symbol|this|throw|true|try|type|typeof|undefined|unknown|var|void|while|with|yield)$/i;

const { values, positionals } = parseCli(usage, { options: { plural: { type: 'string' } }, maxPositionals: 1 });
const [name] = positionals;
if (name === undefined) failUsage(usage, 'Name one type.');
try {
  writeDomain(namesOf(name, values.plural));
} catch (error) {
  failUsage(usage, error instanceof Error ? error.message : String(error));
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
  register(names);
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

/** Adds the domain to the end of the list: it may import from all others. */
function register({ field, folder }: TypeNames): void {
  const file = path.join(projectDir, 'src', 'domains', 'index.ts');
  const text = readFileSync(file, 'utf8');
  const imported = text.replace(/\n\n/, `\nimport { ${field}Domain } from './${folder}/index.js';\n\n`);
  const end = imported.lastIndexOf('];');
  const items = imported.slice(0, Math.max(end, 0)).trimEnd();
  const listed = `${items.endsWith(',') ? items : `${items},`}\n  ${field}Domain,\n];\n`;
  if (imported === text || end === -1 || imported.slice(end + 2).trim() !== '')
    throw new Error(`Add ${field}Domain to src/domains/index.ts by hand: its list has an unknown form.`);
  writeFileSync(file, listed);
  process.stdout.write('Changed src/domains/index.ts\n');
}
