import 'reflect-metadata';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  type GraphQLSchema,
  type IntrospectionQuery,
} from 'graphql';
import { z } from 'zod';
import {
  checkCompatibility,
  invalidDocuments,
  describeAffected,
  countLiveDocuments,
} from '../schema-compatibility/schema-compatibility.js';
import { projectDir } from '../app/data-dir.js';
import { parseDatabaseUrl } from '../config/connection-url.js';
import { withSecretFiles } from '../config/secret-files.js';
import { ConfigError, fatalMessage, OperatorError } from '../errors/operator-error.js';
import { systemErrorCode } from '../errors/system-error-code.js';
import { parseCli } from './lib/cli.js';
import { currentSchema, schemaFiles } from './lib/current-schema.js';
import { documentsInDatabase, documentsInFiles } from './lib/live-documents.js';

const usage = `Usage: npm run schema:check [-- <options>]
       npm run schema:release [-- <options>]

Compares the schema that the code and the models produce with the released one. Exits 1 if it breaks a live document.
schema:release then makes it the released schema.

  --against <file or URL>    schema to compare with: a file, or the /graphql of a gateway; schema/released.graphql by default
  --models <directory>       models; model-store by default
  --documents <directory>    trusted documents; TRUSTED_DOCUMENTS_DIR by default
  --files-only               ignore the documents that are published in the database
  --allow-breaking-changes   release even if live documents break
`;
const fetchTimeoutMs = 10_000;

/** The part of an introspection result that is checked here. */
const introspectionResult = z.object({ data: z.looseObject({ __schema: z.looseObject({}) }) });

/** The schema to compare with cannot be read. */
class SchemaUnreadable extends OperatorError {}

const isUrl = (place: string): boolean => /^https?:\/\//.test(place);

try {
  const options = readOptions();
  if (existsSync('.env')) process.loadEnvFile('.env');
  const isCompatible = await check(options);
  if (options.release && (isCompatible || options['allow-breaking-changes'])) {
    writeFileSync(options.against, await currentSchema(path.resolve(options.models)));
    process.stdout.write(`${displayName(options.against)} is updated; commit it with the release.\n`);
  } else if (!isCompatible) {
    process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`${fatalMessage(error)}\n`);
  process.exitCode = 1;
}

interface Options {
  release: boolean;
  against: string;
  models: string;
  documents?: string | undefined;
  /** Whether to ignore the documents that are published in the database. */
  'files-only': boolean;
  'allow-breaking-changes': boolean;
}

function readOptions(): Options {
  return parseCli(usage, {
    options: {
      release: { type: 'boolean', default: false },
      against: { type: 'string', default: schemaFiles.released },
      models: { type: 'string', default: path.join(projectDir, 'model-store') },
      documents: { type: 'string' },
      'files-only': { type: 'boolean', default: false },
      'allow-breaking-changes': { type: 'boolean', default: false },
    },
  }).values;
}

/** The value of a variable or of its secret file; an empty value counts as absent. */
function environmentValue(variable: string): string | undefined {
  const { env, problems } = withSecretFiles(process.env);
  if (problems.length > 0) throw new ConfigError(problems);
  const value = env[variable];
  return value === '' ? undefined : value;
}

/** @throws ConfigError if the URL is invalid */
function environmentDatabase(): string | undefined {
  const value = environmentValue('DATABASE_URL');
  if (value === undefined) return undefined;
  const parsed = parseDatabaseUrl(value);
  if ('problem' in parsed) throw new ConfigError([`DATABASE_URL ${parsed.problem}`]);
  return parsed.url;
}

/** Prints the changes. @returns whether every live document stays valid */
async function check(options: Options): Promise<boolean> {
  const databaseUrl = options['files-only'] ? undefined : environmentDatabase();
  const documentsDir = options.documents ?? environmentValue('TRUSTED_DOCUMENTS_DIR') ?? 'schema/documents';
  const from = options.documents === undefined ? projectDir : process.cwd();
  const documents = [
    ...(await documentsInFiles(path.resolve(from, documentsDir))),
    ...(databaseUrl === undefined ? [] : await documentsInDatabase(databaseUrl, environmentValue('DATABASE_SCHEMA'))),
  ];
  const before = await schemaAt(options.against);
  const after = buildSchema(await currentSchema(path.resolve(options.models)));
  const { affected, unaffected, dangerous } = await checkCompatibility(before, after, documents);

  for (const change of affected) process.stderr.write(`breaks: ${describeAffected(change)}\n`);
  for (const { message } of unaffected) process.stdout.write(`breaks no known document: ${message}.\n`);
  for (const { message } of dangerous) process.stdout.write(`may affect clients: ${message}.\n`);
  const broken = new Set(affected.map(({ document }) => document));
  const stale = (await invalidDocuments(after, documents)).filter(({ document }) => !broken.has(document));
  for (const change of stale) process.stdout.write(`already invalid: ${describeAffected(change)}\n`);

  const compared = `${displayName(options.against)} and ${documents.length} documents`;
  if (affected.length === 0) {
    process.stdout.write(`The schema is compatible: compared with ${compared}.\n`);
    return true;
  }
  process.stderr.write(
    `The schema breaks ${countLiveDocuments(affected)}: compared with ${compared}.\n` +
      'Keep and deprecate what they use, or first release these clients with valid documents and retire their old\n' +
      'releases: docs/changing-the-schema.md.\n',
  );
  return false;
}

function displayName(place: string): string {
  return isUrl(place) ? place : path.relative(process.cwd(), place);
}

/**
 * @param place a file, or the URL of a gateway with open introspection
 * @throws SchemaUnreadable
 */
async function schemaAt(place: string): Promise<GraphQLSchema> {
  if (isUrl(place)) return servedSchema(place);
  try {
    return buildSchema(readFileSync(place, 'utf8'));
  } catch (error) {
    throw new SchemaUnreadable(
      `${displayName(place)} cannot be read as a schema: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

async function servedSchema(url: string): Promise<GraphQLSchema> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: getIntrospectionQuery({ inputValueDeprecation: true }) }),
      signal: AbortSignal.timeout(fetchTimeoutMs),
    });
    const { data } = introspectionResult.parse(await response.json());
    return buildClientSchema(data as unknown as IntrospectionQuery);
  } catch (error) {
    const why =
      error instanceof z.ZodError
        ? 'introspection is disabled, as in production'
        : error instanceof Error
          ? // fetch reports only "fetch failed" itself.
            (systemErrorCode(error.cause) ?? error.message)
          : String(error);
    throw new SchemaUnreadable(`${url} did not return its schema: ${why}. Compare with a file instead.`);
  }
}
