import { hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LockMode } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { parse, validate, type GraphQLSchema } from 'graphql';
import { sql } from 'kysely';
import { z } from 'zod';
import { AuditAction } from '../../audit/audit-event.js';
import type { RecordEvent } from '../../audit/audit-log.js';
import { newId } from '../../database/base.entity.js';
import { execute, lock, notify } from '../../database/execute.js';
import { owned } from '../../database/schema-names.js';
import { readManifest, type ManifestDocument } from '../../persisted-documents/document-manifest.js';
import { BadUserInput, Conflict, NotFound, type FieldProblem } from '../../errors/app-error.js';
import { maxMessageLength, shortened, singleLine, validateFields } from '../../errors/input-validation.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import type { ReleaseRow, RetireDocumentsPayload } from './document.types.js';
import { DocumentRelease } from './release.entity.js';

/** The PostgreSQL channel for publications and retirements; messages have the schema as payload. */
export const documentChannel = 'auspex_documents';

/** Limits over all releases, since every replica holds them in memory. */
export const releaseLimits = { releases: 500, documents: 100_000, characters: 64_000_000 };

const maxProblems = 100;
/** Milliseconds of validation before other requests get a turn. */
const turnMs = 10;

/** Text that is valid in an HTTP header. */
const headerText = singleLine(100).pipe(
  z.string().regex(/^[\x20-\x7e]*$/, 'must be printable ASCII, since clients send it in a header'),
);
const fields = { client: headerText, version: headerText };

export interface Publication {
  client: string;
  version: string;
  manifest: unknown;
}

/**
 * Publishes the documents of a release to every replica. Repeating it has no effect.
 * @param schema validates every document
 * @param by the publisher
 * @throws BadUserInput with each invalid document and line; Conflict if the release exists with other documents, or a limit is
 * reached
 */
export async function publish(
  em: SqlEntityManager,
  schema: GraphQLSchema,
  publication: Publication,
  by: { userId: string; record: RecordEvent },
): Promise<ReleaseRow> {
  const { client, version } = releaseName(publication);
  const { documents, problems } = readManifest(publication.manifest);
  if (problems.length > 0)
    throw BadUserInput.ofFields(
      problems.map(({ entry, message }) => ({ field: entry === '' ? 'manifest' : `manifest.${entry}`, message })),
    );
  const digest = digestOf(documents);
  const published = await em.findOne(DocumentRelease, { client, version });
  if (published) return same(published, digest);
  const invalid = await problemsOf(schema, documents);
  if (invalid.length > 0) throw BadUserInput.ofFields(invalid);
  return em.transactional(async (transaction) => {
    // Serialized, so that the limits hold.
    await lock(transaction, 'document.releases');
    const meanwhile = await transaction.findOne(DocumentRelease, { client, version });
    if (meanwhile) return same(meanwhile, digest);
    const characters = documents.reduce((sum, { text }) => sum + text.length, 0);
    await checkLimits(transaction, documents.length, characters);
    const release = transaction.create(DocumentRelease, {
      client,
      version,
      digest,
      documentCount: documents.length,
      characters,
      publishedBy: by.userId,
    });
    await transaction.flush();
    await insertDocuments(transaction, release.id, documents);
    const action = AuditAction.DOCUMENTS_PUBLISH;
    await by.record(transaction, { action, target: encodeId('release', release.id), after: valuesOf(release) });
    await notify(transaction, documentChannel);
    return release;
  });
}

/**
 * Retires a release: its documents are no longer trusted, unless another release contains them.
 * @returns its ID and what was removed
 * @throws NotFound
 */
export async function retire(
  em: SqlEntityManager,
  named: { client: string; version: string },
  record: RecordEvent,
): Promise<RetireDocumentsPayload> {
  const { client, version } = releaseName(named);
  return em.transactional(async (transaction) => {
    const release = await transaction.findOne(
      DocumentRelease,
      { client, version },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    if (!release) throw new NotFound('published release', `${client} ${version}`);
    await transaction.nativeDelete(DocumentRelease, { id: release.id });
    const action = AuditAction.DOCUMENTS_RETIRE;
    await record(transaction, { action, target: encodeId('release', release.id), before: valuesOf(release) });
    await notify(transaction, documentChannel);
    return {
      retiredReleaseId: encodeId('release', release.id),
      documentCount: release.documentCount,
      remainingCount: await transaction.count(DocumentRelease),
    };
  });
}

/** @throws BadUserInput */
function releaseName({ client, version }: { client: string; version: string }): { client: string; version: string } {
  const { value, problems } = validateFields(fields, { client, version });
  if (problems.length > 0 || value.client === undefined || value.version === undefined)
    throw BadUserInput.ofFields(problems);
  return { client: value.client, version: value.version };
}

/** @throws Conflict if the documents differ */
function same(published: DocumentRelease, digest: string): ReleaseRow {
  if (published.digest === digest) return published;
  throw new Conflict(
    `${published.client} ${published.version} was published with other documents, and a release never changes; publish these under another version.`,
  );
}

/** What the audit log shows of a release. */
const valuesOf = ({ client, version, documentCount, digest }: DocumentRelease) => ({
  client,
  version,
  documentCount,
  digest,
});

const digestOf = (documents: readonly ManifestDocument[]): string =>
  hash(
    'sha256',
    documents
      .map((document) => `${document.id} ${document.hash}`)
      .sort()
      .join('\n'),
  );

/** Validates documents; yields to other requests. @returns the problems of each document, with line numbers */
async function problemsOf(schema: GraphQLSchema, documents: readonly ManifestDocument[]): Promise<FieldProblem[]> {
  const problems: FieldProblem[] = [];
  let turnEndsAt = performance.now() + turnMs;
  for (const { id, text, operationName } of documents) {
    for (const { message, locations } of validate(schema, parse(text))) {
      const [at] = locations ?? [];
      problems.push({
        field: `manifest.${id}`,
        message: `${operationName ?? 'the operation'}, line ${at?.line ?? 1}: ${shortened(message, maxMessageLength)}`,
      });
    }
    if (problems.length >= maxProblems) return problems.slice(0, maxProblems);
    if (performance.now() < turnEndsAt) continue;
    await nextTurn();
    turnEndsAt = performance.now() + turnMs;
  }
  return problems;
}

/** @throws Conflict if a limit over all releases is exceeded */
async function checkLimits(transaction: SqlEntityManager, documents: number, characters: number): Promise<void> {
  const [there] = await execute(
    transaction,
    sql<{ releases: number; documents: number; characters: number }>`
      select count(*)::integer as releases, coalesce(sum(document_count), 0)::integer as documents,
        coalesce(sum(characters), 0)::integer as characters from ${owned('document_release')}`,
  );
  const after = {
    releases: (there?.releases ?? 0) + 1,
    documents: (there?.documents ?? 0) + documents,
    characters: (there?.characters ?? 0) + characters,
  };
  for (const what of ['releases', 'documents', 'characters'] as const) {
    if (after[what] <= releaseLimits[what]) continue;
    throw new Conflict(
      `All releases together would have ${after[what]} ${what}; ${releaseLimits[what]} are the most. Retire the releases that nobody uses any more.`,
    );
  }
}

/** Sends all rows as one parameter, since the number of parameters is limited. */
async function insertDocuments(
  transaction: SqlEntityManager,
  releaseId: string,
  documents: readonly ManifestDocument[],
): Promise<void> {
  const rows = documents.map(({ id, text, hash: textHash, operationName }) => ({
    id: newId(),
    document_id: id,
    hash: textHash,
    text,
    operation_name: operationName,
  }));
  await execute(
    transaction,
    sql`insert into ${owned('published_document')} (id, release_id, document_id, hash, text, operation_name)
      select id, ${releaseId}::uuid, document_id, hash, text, operation_name
      from json_to_recordset(${JSON.stringify(rows)}::json)
        as document (id uuid, document_id text, hash text, text text, operation_name text)`,
  );
}
