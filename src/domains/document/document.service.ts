import { hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { parse, validate, type GraphQLSchema } from 'graphql';
import { z } from 'zod';
import { newId } from '../../database/base.entity.js';
import { readManifest, type ManifestDocument } from '../../documents/manifest.js';
import { BadUserInput, Conflict, NotFound, type FieldProblem } from '../../shared/errors.js';
import { checkFields, line } from '../../shared/validation.js';
import type { ReleaseRow } from './document.types.js';
import { DocumentRelease } from './release.entity.js';

/** Replicas listen here; a message without content, sent with each release that is published or retired. */
export const documentChannel = 'auspex_documents';

/** What all releases together may be: every replica holds them in memory. */
export const releaseLimits = { releases: 500, documents: 100_000, characters: 64_000_000 };

const lockId = 7_240_881_504;
const maxProblems = 100;
/** Validation gives way to other requests after so many milliseconds. */
const turnMs = 10;

/** As headers can carry it. */
const headerText = line(100).pipe(z.string().regex(/^[\x20-\x7e]*$/, 'must be printable ASCII, since clients send it in a header'));
const fields = { client: headerText, version: headerText };

export interface Publication {
  client: string;
  version: string;
  manifest: unknown;
}

/**
 * Publishes the documents of a release, for every replica and for good. The same again changes nothing.
 * @param schema what every document must be valid on
 * @param userId who publishes
 * @throws BadUserInput that names every faulty document with its line; Conflict where the release has other documents, or where
 * there is no room for another
 */
export async function publish(em: SqlEntityManager, schema: GraphQLSchema, publication: Publication, userId: string): Promise<ReleaseRow> {
  const { client, version } = releaseName(publication);
  const { documents, problems } = readManifest(publication.manifest);
  if (problems.length > 0) throw BadUserInput.ofFields(problems.map(({ entry, message }) => ({ field: entry === '' ? 'manifest' : `manifest.${entry}`, message })));
  const digest = digestOf(documents);
  const published = await em.findOne(DocumentRelease, { client, version });
  if (published) return same(published, digest);
  const faults = await faultsOf(schema, documents);
  if (faults.length > 0) throw BadUserInput.ofFields(faults);
  return em.transactional(async (transaction) => {
    // One after the other, so that what there is can be counted.
    await transaction.execute('select pg_advisory_xact_lock(?)', [lockId]);
    const meanwhile = await transaction.findOne(DocumentRelease, { client, version });
    if (meanwhile) return same(meanwhile, digest);
    const characters = documents.reduce((sum, { text }) => sum + text.length, 0);
    await makeSureOfRoom(transaction, documents.length, characters);
    const release = transaction.create(DocumentRelease, { client, version, digest, documentCount: documents.length, characters, publishedBy: userId });
    await transaction.flush();
    await insertDocuments(transaction, release.id, documents);
    await transaction.execute('select pg_notify(?, ?)', [documentChannel, '']);
    return release;
  });
}

/**
 * Takes back a release: its documents are trusted no more, unless another release has them.
 * @throws NotFound
 */
export async function retire(em: SqlEntityManager, named: { client: string; version: string }): Promise<void> {
  const { client, version } = releaseName(named);
  await em.transactional(async (transaction) => {
    const retired = await transaction.nativeDelete(DocumentRelease, { client, version });
    if (retired === 0) throw new NotFound('published release', `${client} ${version}`);
    await transaction.execute('select pg_notify(?, ?)', [documentChannel, '']);
  });
}

/** @throws BadUserInput */
function releaseName({ client, version }: { client: string; version: string }): { client: string; version: string } {
  const { value, problems } = checkFields(fields, { client, version });
  if (problems.length > 0 || value.client === undefined || value.version === undefined) throw BadUserInput.ofFields(problems);
  return { client: value.client, version: value.version };
}

/** @throws Conflict where it is not the same */
function same(published: DocumentRelease, digest: string): ReleaseRow {
  if (published.digest === digest) return published;
  throw new Conflict(`${published.client} ${published.version} was published with other documents, and a release never changes; publish these under another version.`);
}

const digestOf = (documents: readonly ManifestDocument[]): string =>
  hash(
    'sha256',
    documents
      .map((document) => `${document.id} ${document.hash}`)
      .sort()
      .join('\n'),
  );

/** What is wrong with each document on this schema, by its line. Gives way to other requests. */
async function faultsOf(schema: GraphQLSchema, documents: readonly ManifestDocument[]): Promise<FieldProblem[]> {
  const faults: FieldProblem[] = [];
  let turnEndsAt = performance.now() + turnMs;
  for (const { id, text, operationName } of documents) {
    for (const { message, locations } of validate(schema, parse(text))) {
      const [at] = locations ?? [];
      faults.push({ field: `manifest.${id}`, message: `${operationName ?? 'the operation'}, line ${at?.line ?? 1}: ${message}` });
    }
    if (faults.length >= maxProblems) return faults.slice(0, maxProblems);
    if (performance.now() < turnEndsAt) continue;
    await nextTurn();
    turnEndsAt = performance.now() + turnMs;
  }
  return faults;
}

/** @throws Conflict where all releases together would be too much */
async function makeSureOfRoom(transaction: SqlEntityManager, documents: number, characters: number): Promise<void> {
  const [there] = await transaction.execute<{ releases: number; documents: number; characters: number }[]>(
    'select count(*)::integer as releases, coalesce(sum(document_count), 0)::integer as documents, coalesce(sum(characters), 0)::integer as characters from document_release',
  );
  const after = { releases: (there?.releases ?? 0) + 1, documents: (there?.documents ?? 0) + documents, characters: (there?.characters ?? 0) + characters };
  for (const what of ['releases', 'documents', 'characters'] as const) {
    if (after[what] <= releaseLimits[what]) continue;
    throw new Conflict(`All releases together would have ${after[what]} ${what}; ${releaseLimits[what]} are the most. Retire the releases that nobody uses any more.`);
  }
}

/** One parameter for all rows: a parameter for each value would be more than a statement takes. */
async function insertDocuments(transaction: SqlEntityManager, releaseId: string, documents: readonly ManifestDocument[]): Promise<void> {
  const rows = documents.map(({ id, text, hash: textHash, operationName }) => ({ id: newId(), document_id: id, hash: textHash, text, operation_name: operationName }));
  await transaction.execute(
    `insert into published_document (id, release_id, document_id, hash, text, operation_name)
     select id, ?::uuid, document_id, hash, text, operation_name
     from json_to_recordset(?::json) as document (id uuid, document_id text, hash text, text text, operation_name text)`,
    [releaseId, JSON.stringify(rows)],
  );
}
