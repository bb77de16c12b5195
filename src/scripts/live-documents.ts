import { openDatabase } from '../database/open.js';
import { databaseOf } from '../database/orm.js';
import type { Database } from '../database/tables.js';
import { readDocumentFiles } from '../documents/document-files.js';
import { liveDocumentsOf, type LiveDocument } from '../documents/trusted-documents.js';
import { documentsOfRelease, releaseIds } from '../domains/document/document.queries.js';
import { releaseLimits } from '../domains/document/document.service.js';
import { ownRelease } from '../domains/document/own-documents.js';
import { domains } from '../domains/index.js';
import { codeOf } from '../shared/error-code.js';

/** PostgreSQL's code for a table that is not there. */
const undefinedTable = '42P01';

/** The gateway's own documents, and those of the files in a folder. @throws DocumentFilesError that names every faulty file */
export async function documentsInFiles(dir: string): Promise<LiveDocument[]> {
  return liveDocumentsOf([ownRelease, ...(await readDocumentFiles(dir))]);
}

/**
 * Those that were published into a database; none where it was never migrated so far. Changes nothing there.
 * @throws DatabaseUnreachable
 */
export async function documentsInDatabase(databaseUrl: string): Promise<LiveDocument[]> {
  const database = await openDatabase({ databaseUrl, dataDir: '' }, { entities: domains.flatMap(({ entities }) => entities), poolSize: 1 });
  try {
    return await readPublished(databaseOf(database.orm));
  } catch (error) {
    if (codeOf(error) === undefinedTable) return [];
    throw error;
  } finally {
    await database.close();
  }
}

async function readPublished(db: Database): Promise<LiveDocument[]> {
  const live: LiveDocument[] = [];
  for (const releaseId of await releaseIds(db, releaseLimits.releases)) {
    const documents = await documentsOfRelease(db, releaseId);
    live.push(...documents.map(({ client, version, documentId, text }) => ({ client, version, id: documentId, text })));
  }
  return live;
}
