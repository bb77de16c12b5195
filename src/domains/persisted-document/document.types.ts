import { Field, ID, Int, ObjectType } from 'type-graphql';
import { connectionType } from '../../graphql/relay/connection.js';
import type { RowOf } from '../../database/rows.js';
import { PublishedDocument } from './published-document.entity.js';
import { DocumentRelease } from './release.entity.js';
import { DocumentUsageRecord } from './usage.entity.js';

/** Properties that a row of a release does not have. */
export const omittedFromRelease = ['digest', 'characters'] as const;
export type ReleaseRow = RowOf<DocumentRelease, (typeof omittedFromRelease)[number]>;

/** A document with the client and version of its release. */
export type PublishedRow = RowOf<PublishedDocument> & Pick<DocumentRelease, 'client' | 'version'>;

type UnknownAsNull = 'hash' | 'client' | 'clientVersion';

/** Usage of a document by a client; null for what is unknown, which the table stores as an empty text. */
export type UsageRow = RowOf<DocumentUsageRecord, UnknownAsNull | 'isTrusted'> & Record<UnknownAsNull, string | null>;

export const DocumentReleaseConnection = connectionType<ReleaseRow>(DocumentRelease, 'DocumentRelease');
export const PublishedDocumentConnection = connectionType<PublishedRow>(PublishedDocument, 'PublishedDocument');
export const DocumentUsageConnection = connectionType<UsageRow>(DocumentUsageRecord, 'DocumentUsage');

@ObjectType({ simpleResolvers: true, description: 'A retired release.' })
export class RetireDocumentsPayload {
  @Field(() => ID, { description: 'ID of the retired release.' })
  retiredReleaseId!: string;

  @Field(() => Int, { description: 'Number of documents of the release.' })
  documentCount!: number;

  @Field(() => Int, { description: 'Number of published releases that remain.' })
  remainingCount!: number;
}
