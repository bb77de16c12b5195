import type { GraphQLResolveInfo } from 'graphql';
import { GraphQLJSONObject } from 'graphql-scalars';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { TrustedDocuments } from '../../documents/trusted-documents.js';
import { counting, ForwardPageArgs, readPage, type Connection } from '../../graphql/connection.js';
import { Invalidates } from '../../graphql/cache-hint.js';
import type { Context } from '../../graphql/context.js';
import { encodeId } from '../../graphql/id.js';
import { knownViewer } from '../../graphql/permissions.js';
import { User } from '../user/user.entity.js';
import { userById } from '../user/user.loaders.js';
import type { UserRow } from '../user/user.types.js';
import { documentsByRelease, useOfDocument } from './document.loaders.js';
import { countReleases, countUsage, documentOrder, releaseOrder, releasePage, usageOrder, usagePage } from './document.queries.js';
import { publish, retire } from './document.service.js';
import {
  DocumentReleaseConnection,
  DocumentUsageConnection,
  PublishedDocumentConnection,
  type PublishedRow,
  type ReleaseRow,
  type UsageRow,
} from './document.types.js';
import type { PublicationWatcher } from './publication.watcher.js';
import { PublishedDocument } from './published-document.entity.js';
import { DocumentRelease } from './release.entity.js';
import { DocumentUsageRecord } from './usage.entity.js';
import type { UsageWriter } from './usage.writer.js';

const clientOption = { description: 'The client, by the name that it sends as apollographql-client-name.' };
const versionOption = { description: 'The version, as the client sends it as apollographql-client-version.' };

@Resolver(() => DocumentRelease)
export class DocumentReleaseResolver {
  constructor(
    readonly publications: PublicationWatcher,
    readonly usage: UsageWriter,
  ) {}

  @Query(() => DocumentReleaseConnection, {
    description: 'The releases that were published, the newest first; those of files lie in the folder of trusted documents. ADMIN only.',
  })
  async documentReleases(@Args(() => ForwardPageArgs) args: ForwardPageArgs, @Ctx() { db }: Context, @Info() info: GraphQLResolveInfo): Promise<Connection<ReleaseRow>> {
    const page = readPage(args, releaseOrder);
    await this.usage.write();
    const count = counting(info, () => countReleases(db));
    return new DocumentReleaseConnection({ page, rows: await releasePage(db, page), count });
  }

  @Invalidates()
  @Mutation(() => DocumentRelease, {
    description:
      'Publishes the documents that a version of a client is released with: they are trusted from now on, on every replica. A release never changes; ' +
      'publishing the same again does nothing. For an ADMIN, also by an API key with the scope documents:publish.',
  })
  async publishDocuments(
    @Arg('client', clientOption) client: string,
    @Arg('version', versionOption) version: string,
    @Arg('manifest', () => GraphQLJSONObject, {
      description: "What codegen's client preset writes for persistedDocuments, { \"<id>\": \"<text>\" }, or Apollo's persisted query manifest. Each document must be valid.",
    })
    manifest: Record<string, unknown>,
    @Ctx() context: Context,
    @Info() { schema }: GraphQLResolveInfo,
  ): Promise<ReleaseRow> {
    const release = await publish(context.em, schema, { client, version, manifest }, knownViewer(context).userId);
    await this.publications.refresh();
    return release;
  }

  @Invalidates()
  @Mutation(() => Boolean, { description: 'Takes back a release that was published: its documents are trusted no more, unless another release has them. ADMIN only.' })
  async retireDocuments(@Arg('client', clientOption) client: string, @Arg('version', versionOption) version: string, @Ctx() { em }: Context): Promise<boolean> {
    await retire(em, { client, version });
    await this.publications.refresh();
    return true;
  }

  @FieldResolver(() => ID, { description: 'The id: release_ and 26 characters.' })
  id(@Root() release: ReleaseRow): string {
    return encodeId('release', release.id);
  }

  @FieldResolver(() => User, { nullable: true, description: 'Who published it; null where the account is gone. For an ADMIN who signed in.' })
  publishedBy(@Root() release: ReleaseRow, @Ctx() context: Context): Promise<UserRow | null> | null {
    return release.publishedBy === null ? null : context.load(userById).load(release.publishedBy);
  }

  @FieldResolver(() => PublishedDocumentConnection, { nullable: true, description: 'Its documents, in the order of their manifest. For an ADMIN who signed in.' })
  async documents(@Root() release: ReleaseRow, @Args(() => ForwardPageArgs) args: ForwardPageArgs, @Ctx() context: Context): Promise<Connection<PublishedRow>> {
    const page = readPage(args, documentOrder);
    const rows = await context.load(documentsByRelease).load({ ownerId: release.id, page });
    return new PublishedDocumentConnection({ page, rows, count: () => Promise.resolve(release.documentCount) });
  }
}

@Resolver(() => PublishedDocument)
export class PublishedDocumentResolver {
  @FieldResolver(() => ID, { description: 'The id: document_ and 26 characters.' })
  id(@Root() document: PublishedRow): string {
    return encodeId('document', document.id);
  }

  @FieldResolver(() => DocumentUsageRecord, { nullable: true, description: 'How often the client of this release, in this version, has sent it; null if never.' })
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

  @Query(() => DocumentUsageConnection, { description: 'How often each version of each client sent which document, the newest use first. ADMIN only.' })
  async documentUsage(
    @Args(() => ForwardPageArgs) args: ForwardPageArgs,
    @Arg('client', () => String, { nullable: true, description: 'Of the client with this name; of all if absent.' }) client: string | null,
    @Ctx() { db }: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<UsageRow>> {
    const page = readPage(args, usageOrder);
    await this.usage.write();
    const count = counting(info, () => countUsage(db, client ?? null));
    return new DocumentUsageConnection({ page, rows: await usagePage(db, client ?? null, page), count });
  }

  @FieldResolver(() => ID, { description: 'The id: documentuse_ and 26 characters.' })
  id(@Root() use: UsageRow): string {
    return encodeId('documentuse', use.id);
  }

  @FieldResolver(() => Boolean, { description: 'Whether the document is trusted now.' })
  isTrusted(@Root() { hash }: UsageRow): boolean {
    return hash !== null && this.trusted.byHash(hash) !== null;
  }
}
