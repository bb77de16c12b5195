import { graphql, type GraphQLError } from 'graphql';
import pg from 'pg';
import type { MikroORM } from '@mikro-orm/postgresql';
import type { Role, Viewer } from '../../../src/auth/viewer.js';
import type { Database } from '../../../src/database/tables.js';
import { createLoader, type LoaderKind } from '../../../src/graphql/context/loader-kind.js';
import type { IndexGuard } from '../../../src/graphql/filtering/index-guard.js';
import { toAppError } from '../../../src/graphql/errors/to-app-error.js';
import { NodeResolver } from '../../../src/graphql/relay/node.js';
import { domainSchema, LiveSchema } from '../../../src/graphql/schema/build-schema.js';
import type { AnyData } from '../gateway.js';
import type { DomainModule } from '../../../src/graphql/module.js';

export interface Executed {
  data: AnyData;
  codes: unknown[];
  messages: string[];
  /** The invalid fields with their messages. */
  problems: string[];
}

/** The schema of a domain, with its rules. @param services those that it loads with */
export function openTableSchema(domain: DomainModule, services: object = {}): LiveSchema {
  const loaded = domain.load(services as never);
  const base = domainSchema([domain]);
  const nodes = new NodeResolver([{ ...domain, nodes: loaded.nodes ?? {} }], base);
  return new LiveSchema([domain], base, [...loaded.resolvers, nodes], [], console as never);
}

/** What a request has. */
interface TableRequest {
  schema: LiveSchema;
  viewer: Viewer;
  db: Database;
  indexes: IndexGuard;
  /** For writes. */
  orm?: MikroORM;
  /** By default that of the viewer. */
  currentRole?: Role | null;
}

/** Executes an operation as a request does: with its own loaders. */
export async function executeOn(
  { schema, viewer, db, indexes, orm, currentRole }: TableRequest,
  source: string,
  variableValues: Record<string, unknown> = {},
): Promise<Executed> {
  const loaders = new Map<unknown, unknown>();
  const load = (kind: LoaderKind<unknown, unknown>): unknown => {
    if (!loaders.has(kind)) loaders.set(kind, createLoader(kind, kind.batch(db)));
    return loaders.get(kind);
  };
  const contextValue = {
    viewer,
    db,
    load,
    indexes,
    reportRejection: () => undefined,
    log: { warn: () => undefined },
    currentRole: () => Promise.resolve(currentRole === undefined && 'role' in viewer ? viewer.role : currentRole),
    get em() {
      loaders.clear();
      return orm?.em.fork();
    },
  };
  const { data, errors = [] } = await graphql({ schema: schema.current, source, variableValues, contextValue });
  return {
    data,
    codes: errors.map(codeOf),
    messages: errors.map((error) => toAppError(error.originalError)?.message ?? error.message),
    problems: errors.flatMap(problemsOf),
  };
}

/** The code of an error, or its message if it was not expected. */
const codeOf = (error: GraphQLError): unknown => toAppError(error.originalError)?.code ?? error.message;

function problemsOf({ originalError }: GraphQLError): string[] {
  const fields = (originalError as { extensions?: AnyData } | null)?.extensions?.fields ?? [];
  return (fields as { field: string; message: string }[]).map(({ field, message }) => `${field} ${message}`);
}

/** Runs a script of statements. */
export async function runSql(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(text).finally(() => client.end());
}
