import { connectionType } from '../../graphql/connection.js';
import { PublishedDocument } from './published-document.entity.js';
import { DocumentRelease } from './release.entity.js';
import { DocumentUsageRecord } from './usage.entity.js';

/** A release as reads give it. */
export interface ReleaseRow {
  id: string;
  client: string;
  version: string;
  documentCount: number;
  publishedBy: string | null;
  publishedAt: Date;
}

/** A document of a release as reads give it. */
export interface PublishedRow {
  id: string;
  releaseId: string;
  client: string;
  version: string;
  documentId: string;
  hash: string;
  text: string;
  operationName: string | null;
}

/** How often a client sent a document, as reads give it. */
export interface UsageRow {
  id: string;
  hash: string | null;
  client: string | null;
  clientVersion: string | null;
  operationName: string | null;
  count: number;
  refusableCount: number;
  firstUsedAt: Date;
  lastUsedAt: Date;
}

export const DocumentReleaseConnection = connectionType<ReleaseRow>(DocumentRelease, 'DocumentRelease');
export const PublishedDocumentConnection = connectionType<PublishedRow>(PublishedDocument, 'PublishedDocument');
export const DocumentUsageConnection = connectionType<UsageRow>(DocumentUsageRecord, 'DocumentUsage');
