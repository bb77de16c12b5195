import 'reflect-metadata';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildClientSchema, buildSchema, getIntrospectionQuery, type GraphQLSchema, type IntrospectionQuery } from 'graphql';
import { z } from 'zod';
import { ConfigError } from '../config.js';
import { contractProblems, invalidDocuments } from '../contract/contract.js';
import { inWords, liveDocumentsIn } from '../contract/words.js';
import { projectDir } from '../data-dir.js';
import { withSecretFiles } from '../secret-files.js';
import { explain } from '../shared/errors.js';
import { currentSchema, schemaFiles } from './current-schema.js';
import { documentsInDatabase, documentsInFiles } from './live-documents.js';

/**
 * `npm run schema:check`: what the clients in the field feel of the schema as the code and the models produce it. Exits 1
 * where a document of theirs breaks. `npm run schema:release` does the same, and then makes this schema the released one.
 */
const usage = `schema:check [--against <file, or the /graphql of a gateway>] [--models <folder>] [--documents <folder>] [--files-only]
schema:release [--even-if-documents-break]
`;
const fetchDeadlineMs = 10_000;

/** What introspection answers, as far as it is looked at here. */
const told = z.object({ data: z.looseObject({ __schema: z.looseObject({}) }) });

/** What the schema is compared with cannot be had. */
class SchemaUnreadable extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SchemaUnreadable';
  }
}

const isUrl = (place: string): boolean => /^https?:\/\//.test(place);

try {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const options = readOptions();
  const isKept = await check(options);
  if (options.release && (isKept || options['even-if-documents-break'])) {
    writeFileSync(options.against, await currentSchema(path.resolve(options.models)));
    process.stdout.write(`${shown(options.against)} is now the schema that the code and the models produce; commit it with the release.\n`);
  } else if (!isKept) {
    process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}

interface Options {
  release: boolean;
  against: string;
  models: string;
  documents: string;
  /** Whether published documents are left out although there is a database. */
  'files-only': boolean;
  'even-if-documents-break': boolean;
}

function readOptions(): Options {
  try {
    return parseArgs({
      options: {
        release: { type: 'boolean', default: false },
        against: { type: 'string', default: schemaFiles.released },
        models: { type: 'string', default: path.join(projectDir, 'model-store') },
        documents: { type: 'string', default: path.resolve(projectDir, setTo('TRUSTED_DOCUMENTS_DIR') ?? 'schema/documents') },
        'files-only': { type: 'boolean', default: false },
        'even-if-documents-break': { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    process.exit(1);
  }
}

/** What a variable is set to, or the file holds that stands for it; `.env` files leave it empty for "not set". */
function setTo(variable: string): string | undefined {
  const { env, problems } = withSecretFiles(process.env);
  if (problems.length > 0) throw new ConfigError(problems);
  const value = env[variable];
  return value === '' ? undefined : value;
}

/** Tells what it finds; answers whether no live document breaks. */
async function check(options: Options): Promise<boolean> {
  const databaseUrl = options['files-only'] ? undefined : setTo('DATABASE_URL');
  const documents = [...(await documentsInFiles(path.resolve(options.documents))), ...(databaseUrl === undefined ? [] : await documentsInDatabase(databaseUrl))];
  const before = await schemaAt(options.against);
  const after = buildSchema(await currentSchema(path.resolve(options.models)));
  const { felt, unfelt, dangerous } = await contractProblems(before, after, documents);

  for (const change of felt) process.stderr.write(`breaks: ${inWords(change)}\n`);
  for (const { message } of unfelt) process.stdout.write(`breaks nobody that is known: ${message}.\n`);
  for (const { message } of dangerous) process.stdout.write(`may surprise clients: ${message}.\n`);
  const broken = new Set(felt.map(({ document }) => document));
  const stale = (await invalidDocuments(after, documents)).filter(({ document }) => !broken.has(document));
  for (const change of stale) process.stdout.write(`was broken before: ${inWords(change)}\n`);

  const looked = `${shown(options.against)} and ${documents.length} documents`;
  if (felt.length === 0) {
    process.stdout.write(`The schema keeps what clients rely on: compared with ${looked}.\n`);
    return true;
  }
  process.stderr.write(
    `The schema breaks ${liveDocumentsIn(felt)}: compared with ${looked}.\n` +
      'Keep what they use and deprecate it with a date, or first release these clients with documents that fit and retire their\n' +
      'old releases; docs/changing-the-schema.md shows both.\n',
  );
  return false;
}

function shown(place: string): string {
  return isUrl(place) ? place : path.relative(process.cwd(), place);
}

/**
 * @param place a file, or the address of a gateway that lets its schema be read
 * @throws SchemaUnreadable
 */
async function schemaAt(place: string): Promise<GraphQLSchema> {
  if (isUrl(place)) return servedSchema(place);
  try {
    return buildSchema(readFileSync(place, 'utf8'));
  } catch (error) {
    throw new SchemaUnreadable(`${shown(place)} cannot be read as a schema: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function servedSchema(url: string): Promise<GraphQLSchema> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: getIntrospectionQuery({ inputValueDeprecation: true }) }),
      signal: AbortSignal.timeout(fetchDeadlineMs),
    });
    const { data } = told.parse(await response.json());
    return buildClientSchema(data as unknown as IntrospectionQuery);
  } catch (error) {
    const why = error instanceof z.ZodError ? 'introspection is closed, as it is in production' : error instanceof Error ? error.message : String(error);
    throw new SchemaUnreadable(`${url} does not tell its schema: ${why}. Compare with a file instead.`);
  }
}
