import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { AuditLog } from '../../audit/audit-log.js';
import type { TrustedDocuments } from '../../persisted-documents/trusted-documents.js';
import { counting, PageArgs, readPage, type Connection } from '../../graphql/relay/connection.js';
import { Invalidates } from '../../graphql/schema/cache-control.js';
import { JSONObject } from '../../graphql/schema/json-object.js';
import type { Context } from '../../graphql/context/context.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { requireViewer } from '../../graphql/permissions/rules.js';
import { User } from '../user/user.entity.js';
import { userById } from '../user/user.loaders.js';
import type { UserRow } from '../user/user.types.js';
import { documentsByRelease, useOfDocument } from './document.loaders.js';
import {
  countReleases,
  countUsage,
  documentOrder,
  releaseOrder,
  releasePage,
  usageOrder,
  usagePage,
} from './document.queries.js';
import { publish, retire } from './document.service.js';
import {
  DocumentReleaseConnection,
  DocumentUsageConnection,
  PublishedDocumentConnection,
  RetireDocumentsPayload,
  type PublishedRow,
  type ReleaseRow,
  type UsageRow,
} from './document.types.js';
import type { PublicationWatcher } from './publication.watcher.js';
import { PublishedDocument } from './published-document.entity.js';
import { DocumentRelease } from './release.entity.js';
import { DocumentUsageRecord } from './usage.entity.js';
import type { UsageWriter } from './usage.writer.js';

const clientOption = { description: 'Client name, as sent in the header apollographql-client-name.' };
const versionOption = { description: 'Client version, as sent in the header apollographql-client-version.' };

@Resolver(() => DocumentRelease)
export class DocumentReleaseResolver {
  constructor(
    readonly publications: PublicationWatcher,
    readonly usage: UsageWriter,
    readonly audit: Pick<AuditLog, 'by'>,
  ) {}

  @Query(() => DocumentReleaseConnection, {
    description: 'Releases published with publishDocuments, newest first; without those loaded from files. ADMIN only.',
  })
  async documentReleases(
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() { db }: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<ReleaseRow>> {
    const page = readPage(args, releaseOrder);
    await this.usage.write();
    const count = counting(info, () => countReleases(db));
    return new DocumentReleaseConnection({ page, rows: await releasePage(db, page), count });
  }

  @Invalidates()
  @Mutation(() => DocumentRelease, {
    nullable: true,
    description:
      'Publishes the documents of a client release; every replica trusts them immediately. A release is immutable; ' +
      'publishing it again with the same documents has no effect. ADMIN only, also with an API key that has the scope documents:publish.',
  })
  async publishDocuments(
    @Arg('client', clientOption) client: string,
    @Arg('version', versionOption) version: string,
    @Arg('manifest', () => JSONObject, {
      description:
        'The persistedDocuments file of GraphQL Code Generator\'s client preset, { "<id>": "<text>" }, or a persisted query manifest of Apollo. BAD_USER_INPUT if a document is invalid.',
    })
    manifest: Record<string, unknown>,
    @Ctx() context: Context,
    @Info() { schema }: GraphQLResolveInfo,
  ): Promise<ReleaseRow> {
    const { userId } = requireViewer(context);
    const publication = { client, version, manifest };
    const release = await publish(context.em, schema, publication, { userId, record: this.audit.by(context) });
    await this.publications.refresh();
    return release;
  }

  @Invalidates()
  @Mutation(() => RetireDocumentsPayload, {
    nullable: true,
    description:
      'Retires a published release: its documents are no longer trusted, unless another release contains them. ADMIN only.',
  })
  async retireDocuments(
    @Arg('client', clientOption) client: string,
    @Arg('version', versionOption) version: string,
    @Ctx() context: Context,
  ): Promise<RetireDocumentsPayload> {
    const retired = await retire(context.em, { client, version }, this.audit.by(context));
    await this.publications.refresh();
    return retired;
  }

  @FieldResolver(() => ID, { description: 'Global ID: release_ and 26 characters.' })
  id(@Root() release: ReleaseRow): string {
    return encodeId('release', release.id);
  }

  @FieldResolver(() => User, {
    nullable: true,
    description: 'The publisher; null if the account was deleted. ADMIN with a session only.',
  })
  publishedBy(
    @Root() release: ReleaseRow,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<UserRow | null> | null {
    return release.publishedBy === null ? null : context.load(userById.selectedBy(info)).load(release.publishedBy);
  }

  @FieldResolver(() => PublishedDocumentConnection, {
    nullable: true,
    description: 'The documents, in the order of the manifest. ADMIN with a session only.',
  })
  async documents(
    @Root() release: ReleaseRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: Context,
  ): Promise<Connection<PublishedRow>> {
    const page = readPage(args, documentOrder);
    const rows = await context.load(documentsByRelease).load({ ownerId: release.id, page });
    return new PublishedDocumentConnection({ page, rows, count: () => Promise.resolve(release.documentCount) });
  }
}

@Resolver(() => PublishedDocument)
export class PublishedDocumentResolver {
  @FieldResolver(() => ID, { description: 'Global ID: document_ and 26 characters.' })
  id(@Root() document: PublishedRow): string {
    return encodeId('document', document.id);
  }

  @FieldResolver(() => DocumentUsageRecord, {
    nullable: true,
    description: 'Usage by the client version of this release; null if never used.',
  })
  usage(@Root() { hash, client, version }: PublishedRow, @Ctx() context: Context): Promise<UsageRow | null> {
    return context.load(useOfDocument).load({ hash, client, version });
  }
}

@Resolver(() => DocumentUsageRecord)
export class DocumentUsageResolver {
  constructor(
    readonly trusted: TrustedDocuments,
    readonly usage: UsageWriter,
  ) {}

  @Query(() => DocumentUsageConnection, {
    description: 'Usage by document and client version, most recent first. ADMIN only.',
  })
  async documentUsage(
    @Args(() => PageArgs) args: PageArgs,
    @Arg('client', () => String, { nullable: true, description: 'Client name; all clients if absent.' })
    client: string | null,
    @Ctx() { db }: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<UsageRow>> {
    const page = readPage(args, usageOrder);
    await this.usage.write();
    const count = counting(info, () => countUsage(db, client ?? null));
    return new DocumentUsageConnection({ page, rows: await usagePage(db, client ?? null, page), count });
  }

  @FieldResolver(() => ID, { description: 'Global ID: documentuse_ and 26 characters.' })
  id(@Root() use: UsageRow): string {
    return encodeId('documentuse', use.id);
  }

  @FieldResolver(() => Boolean, { description: 'Whether the document is currently trusted.' })
  isTrusted(@Root() { hash }: UsageRow): boolean {
    return hash !== null && this.trusted.byHash(hash) !== null;
  }
}
