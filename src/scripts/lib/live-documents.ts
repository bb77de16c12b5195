import { databaseErrorKind } from '../../database/database-errors.js';
import { openDatabase } from '../../database/open-database.js';
import { databaseOf } from '../../database/orm.js';
import { DatabaseUnreachable } from '../../database/wait-for-database.js';
import type { Database } from '../../database/tables.js';
import { readDocumentFiles } from '../../persisted-documents/manifest-files.js';
import { liveDocumentsOf, type LiveDocument } from '../../persisted-documents/trusted-documents.js';
import { documentsOfRelease, releaseIds } from '../../domains/persisted-document/document.queries.js';
import { releaseLimits } from '../../domains/persisted-document/document.service.js';
import { ownRelease } from '../../domains/persisted-document/built-in-documents.js';
import { domains } from '../../domains/index.js';
import { systemErrorCode } from '../../errors/system-error-code.js';

/** PostgreSQL's undefined_table. */
const undefinedTable = '42P01';

/** Loads the built-in documents and those of a directory. @throws DocumentFilesError that lists every invalid file */
export async function documentsInFiles(dir: string): Promise<LiveDocument[]> {
  return liveDocumentsOf([ownRelease, ...(await readDocumentFiles(dir))]);
}

/**
 * Loads the documents published in a database; none if it was never migrated. Changes nothing.
 * @throws DatabaseUnreachable
 */
export async function documentsInDatabase(databaseUrl: string, schema?: string): Promise<LiveDocument[]> {
  const database = openDatabase({
    url: databaseUrl,
    ...(schema === undefined ? {} : { schema }),
    entities: domains.flatMap(({ entities }) => entities),
    poolSize: 1,
  });
  try {
    return await readPublished(databaseOf(database.orm));
  } catch (error) {
    if (systemErrorCode(error) === undefinedTable) return [];
    throw databaseErrorKind(error) === null && !isRejected(error) ? error : new DatabaseUnreachable(databaseUrl, error);
  } finally {
    await database.close();
  }
}

/** PostgreSQL rejected the credentials or the name of the database. */
const isRejected = (error: unknown): boolean => /^(?:28|3D)/.test(systemErrorCode(error) ?? '');

async function readPublished(db: Database): Promise<LiveDocument[]> {
  const live: LiveDocument[] = [];
  for (const releaseId of await releaseIds(db, releaseLimits.releases)) {
    const documents = await documentsOfRelease(db, releaseId);
    live.push(...documents.map(({ client, version, documentId, text }) => ({ client, version, id: documentId, text })));
  }
  return live;
}
