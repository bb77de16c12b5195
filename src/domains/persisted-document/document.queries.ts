import { sql } from 'kysely';
import { inOrder, pageOf, type Keyset, type KeysetPage } from '../../database/keyset.js';
import { rowColumns } from '../../database/rows.js';
import type { Database } from '../../database/tables.js';
import { omittedFromRelease, type PublishedRow, type ReleaseRow, type UsageRow } from './document.types.js';
import { PublishedDocument } from './published-document.entity.js';
import { DocumentRelease } from './release.entity.js';
import { DocumentUsageRecord } from './usage.entity.js';

const releaseColumns = rowColumns(DocumentRelease, 'document_release', omittedFromRelease);

const documentColumns = [
  ...rowColumns(PublishedDocument, 'published_document'),
  'document_release.client',
  'document_release.version',
] as const;

/** Unknown values are stored as empty strings, since they are part of the unique key. */
const usageColumns = [
  ...rowColumns(DocumentUsageRecord, 'document_usage', [
    'hash',
    'client',
    'clientVersion',
    'isTrusted',
    'count',
    'refusableCount',
  ]),
  sql<string | null>`nullif(document_usage.hash, '')`.as('hash'),
  sql<string | null>`nullif(document_usage.client, '')`.as('client'),
  sql<string | null>`nullif(document_usage.client_version, '')`.as('clientVersion'),
  sql<number>`document_usage.count::double precision`.as('count'),
  sql<number>`document_usage.refusable_count::double precision`.as('refusableCount'),
] as const;

/** Orders releases, newest first. */
export const releaseOrder: Keyset = {
  column: 'document_release.published_at',
  property: 'publishedAt',
  type: 'timestamptz',
  isDescending: true,
};
/** Orders documents as in their manifest: IDs are created in that order. */
export const documentOrder: Keyset = {
  column: 'published_document.id',
  property: 'id',
  type: 'uuid',
  isDescending: false,
};
/** Orders usage, most recent first. */
export const usageOrder: Keyset = {
  column: 'document_usage.last_used_at',
  property: 'lastUsedAt',
  type: 'timestamptz',
  isDescending: true,
};

/** Loads releases by ID, in any order; unknown IDs are omitted. */
export function releasesById(db: Database, ids: readonly string[]): Promise<ReleaseRow[]> {
  return db.selectFrom('document_release').select(releaseColumns).where('document_release.id', 'in', ids).execute();
}

/** Loads documents of releases by ID, in any order; unknown IDs are omitted. */
export function documentsById(db: Database, ids: readonly string[]): Promise<PublishedRow[]> {
  return documents(db).where('published_document.id', 'in', ids).execute();
}

/** Loads usage by ID, in any order; unknown IDs are omitted. */
export function usesById(db: Database, ids: readonly string[]): Promise<UsageRow[]> {
  return db.selectFrom('document_usage').select(usageColumns).where('document_usage.id', 'in', ids).execute();
}

/** Loads a page of releases. @returns at most page.limit + 1 rows */
export async function releasePage(db: Database, page: KeysetPage): Promise<ReleaseRow[]> {
  return inOrder(await pageOf(db.selectFrom('document_release').select(releaseColumns), page).execute(), page);
}

/** Counts releases. */
export async function countReleases(db: Database): Promise<number> {
  const { count } = await db
    .selectFrom('document_release')
    .select(sql<number>`count(*)::integer`.as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

/** Lists the IDs of releases, newest first. */
export async function releaseIds(db: Database, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('document_release')
    .select('id')
    .orderBy('published_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** Loads all documents of a release, in manifest order. */
export function documentsOfRelease(db: Database, releaseId: string): Promise<PublishedRow[]> {
  return documents(db).where('release_id', '=', releaseId).orderBy('published_document.id').execute();
}

/** Loads the same page of documents for each release, in one statement. */
export async function documentPagesByRelease(
  db: Database,
  ids: readonly string[],
  page: KeysetPage,
): Promise<PublishedRow[]> {
  const inner = pageOf(documents(db).where(sql<boolean>`published_document.release_id = owner.id`), page);
  const { rows } = await sql<PublishedRow>`
    select found.* from unnest(${[...ids]}::uuid[]) as owner (id) cross join lateral (${inner}) as found`.execute(db);
  return rows;
}

/** Identifies the usage of a document by a client version. */
export interface UseKey {
  hash: string;
  client: string;
  version: string;
}

/** Loads usage by key, in any order; unused documents are omitted. */
export function usesOf(db: Database, keys: readonly UseKey[]): Promise<UsageRow[]> {
  const requested = sql<UseKey>`json_to_recordset(${JSON.stringify(keys)}::json) as requested (hash text, client text, version text)`;
  return db
    .selectFrom('document_usage')
    .select(usageColumns)
    .where(
      sql<boolean>`(document_usage.hash, document_usage.client, document_usage.client_version) in (select hash, client, version from ${requested})`,
    )
    .execute();
}

/** Loads a page of usage, of all clients or of one. @returns at most page.limit + 1 rows */
export async function usagePage(db: Database, client: string | null, page: KeysetPage): Promise<UsageRow[]> {
  return inOrder(await pageOf(usage(db, client).select(usageColumns), page).execute(), page);
}

/** Counts the rows of `usagePage` over all pages. */
export async function countUsage(db: Database, client: string | null): Promise<number> {
  const { count } = await usage(db, client)
    .select(sql<number>`count(*)::integer`.as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

function usage(db: Database, client: string | null) {
  const query = db.selectFrom('document_usage');
  return client === null ? query : query.where('client', '=', client.replaceAll('\0', ''));
}

const documents = (db: Database) =>
  db
    .selectFrom('published_document')
    .innerJoin('document_release', 'document_release.id', 'published_document.release_id')
    .select(documentColumns);
