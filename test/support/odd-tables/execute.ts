import { graphql, type GraphQLError } from 'graphql';
import pg from 'pg';
import type { Viewer } from '../../../src/auth/viewer.js';
import type { Database } from '../../../src/database/tables.js';
import { createLoader, type LoaderKind } from '../../../src/graphql/context/loader-kind.js';
import type { IndexGuard } from '../../../src/graphql/filtering/index-guard.js';
import { NodeResolver } from '../../../src/graphql/relay/node.js';
import { domainSchema, LiveSchema } from '../../../src/graphql/schema/build-schema.js';
import type { AnyData } from '../gateway.js';
import { oddDomain } from './domain.js';

export interface Executed {
  data: AnyData;
  codes: unknown[];
  /** The invalid fields with their messages. */
  problems: string[];
}

/** The schema of the domain, with its rules. */
export function openOddSchema(): LiveSchema {
  const loaded = oddDomain.load({} as never);
  const base = domainSchema([oddDomain]);
  const nodes = new NodeResolver([{ ...oddDomain, nodes: loaded.nodes ?? {} }], base);
  return new LiveSchema([oddDomain], base, [...loaded.resolvers, nodes], [], console as never);
}

/** Executes an operation as a request does: with its own loaders. */
export async function executeOdd(
  { schema, viewer, db, indexes }: { schema: LiveSchema; viewer: Viewer; db: Database; indexes: IndexGuard },
  source: string,
  variableValues: Record<string, unknown> = {},
): Promise<Executed> {
  const loaders = new Map<unknown, unknown>();
  const load = (kind: LoaderKind<unknown, unknown>): unknown => {
    if (!loaders.has(kind)) loaders.set(kind, createLoader(kind, kind.batch(db)));
    return loaders.get(kind);
  };
  const contextValue = { viewer, db, load, indexes, reportRejection: () => undefined };
  const { data, errors = [] } = await graphql({ schema: schema.current, source, variableValues, contextValue });
  return { data, codes: errors.map(codeOf), problems: errors.flatMap(problemsOf) };
}

/** The code of an error, or its message if it was not expected. */
const codeOf = (error: GraphQLError): unknown =>
  (error.originalError as { code?: unknown } | null)?.code ?? error.message;

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
