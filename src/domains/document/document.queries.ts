import { sql } from 'kysely';
import { inOrder, pageOf, type Keyset, type KeysetPage } from '../../database/keyset.js';
import type { Database } from '../../database/tables.js';
import type { PublishedRow, ReleaseRow, UsageRow } from './document.types.js';

const releaseColumns = [
  'document_release.id',
  'document_release.client',
  'document_release.version',
  'document_release.document_count as documentCount',
  'document_release.published_by as publishedBy',
  'document_release.published_at as publishedAt',
] as const;

const documentColumns = [
  'published_document.id',
  'published_document.release_id as releaseId',
  'document_release.client',
  'document_release.version',
  'published_document.document_id as documentId',
  'published_document.hash',
  'published_document.text',
  'published_document.operation_name as operationName',
] as const;

/** An empty text stands for what is not known, so that a row is found by its key. */
const usageColumns = [
  'document_usage.id',
  sql<string | null>`nullif(document_usage.hash, '')`.as('hash'),
  sql<string | null>`nullif(document_usage.client, '')`.as('client'),
  sql<string | null>`nullif(document_usage.client_version, '')`.as('clientVersion'),
  'document_usage.operation_name as operationName',
  sql<number>`document_usage.count::double precision`.as('count'),
  sql<number>`document_usage.refusable_count::double precision`.as('refusableCount'),
  'document_usage.first_used_at as firstUsedAt',
  'document_usage.last_used_at as lastUsedAt',
] as const;

/** The order of releases: the newest first. */
export const releaseOrder: Keyset = { column: 'document_release.published_at', property: 'publishedAt', type: 'timestamptz', isDescending: true };
/** The order of a release's documents: as they came in their manifest. Their ids sort by it. */
export const documentOrder: Keyset = { column: 'published_document.id', property: 'id', type: 'uuid', isDescending: false };
/** The order of usage: the newest use first. */
export const usageOrder: Keyset = { column: 'document_usage.last_used_at', property: 'lastUsedAt', type: 'timestamptz', isDescending: true };

/** One page of all releases. */
export async function releasePage(db: Database, page: KeysetPage): Promise<ReleaseRow[]> {
  return inOrder(await pageOf(db.selectFrom('document_release').select(releaseColumns), page).execute(), page);
}

/** How many releases there are. */
export async function countReleases(db: Database): Promise<number> {
  const { count } = await db.selectFrom('document_release').select(sql<number>`count(*)::integer`.as('count')).executeTakeFirstOrThrow();
  return count;
}

/** The ids of all releases. */
export async function releaseIds(db: Database, limit: number): Promise<string[]> {
  const rows = await db.selectFrom('document_release').select('id').orderBy('published_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
  return rows.map(({ id }) => id);
}

/** All documents of a release, in their order. */
export function documentsOfRelease(db: Database, releaseId: string): Promise<PublishedRow[]> {
  return documents(db).where('release_id', '=', releaseId).orderBy('published_document.id').execute();
}

/** The same page of the documents of each release, in one statement. */
export async function documentPagesByRelease(db: Database, ids: readonly string[], page: KeysetPage): Promise<PublishedRow[]> {
  const inner = pageOf(documents(db).where(sql<boolean>`published_document.release_id = owner.id`), page);
  const { rows } = await sql<PublishedRow>`
    select found.* from unnest(${[...ids]}::uuid[]) as owner (id) cross join lateral (${inner}) as found`.execute(db);
  return rows;
}

/** Which use of which document: as a client of this name and version sent it. */
export interface UseKey {
  hash: string;
  client: string;
  version: string;
}

/** The uses of documents by clients, in any order; what was never used is left out. */
export function usesOf(db: Database, keys: readonly UseKey[]): Promise<UsageRow[]> {
  const wanted = sql<UseKey>`json_to_recordset(${JSON.stringify(keys)}::json) as wanted (hash text, client text, version text)`;
  return db
    .selectFrom('document_usage')
    .select(usageColumns)
    .where(sql<boolean>`(document_usage.hash, document_usage.client, document_usage.client_version) in (select hash, client, version from ${wanted})`)
    .execute();
}

/** One page of all usage; of one client's where `client` is given. */
export async function usagePage(db: Database, client: string | null, page: KeysetPage): Promise<UsageRow[]> {
  return inOrder(await pageOf(usage(db, client).select(usageColumns), page).execute(), page);
}

/** How many rows `usagePage` has in all. */
export async function countUsage(db: Database, client: string | null): Promise<number> {
  const { count } = await usage(db, client).select(sql<number>`count(*)::integer`.as('count')).executeTakeFirstOrThrow();
  return count;
}

function usage(db: Database, client: string | null) {
  const query = db.selectFrom('document_usage');
  return client === null ? query : query.where('client', '=', client.replaceAll('\0', ''));
}

const documents = (db: Database) =>
  db.selectFrom('published_document').innerJoin('document_release', 'document_release.id', 'published_document.release_id').select(documentColumns);
