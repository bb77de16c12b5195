import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { landingPage, landingPolicy, type DemoSignIn, type ProviderSignIn } from './landing-page.js';

/** A page of the documentation, as Markdown. */
interface DocFile {
  name: string;
  title: string;
  text: string;
}

export interface LandingOptions {
  hasGraphiql: boolean;
  hasMetrics: boolean;
  /** Resolves with null if there are no demo accounts. */
  demo: () => Promise<DemoSignIn | null>;
  /** Null without an identity provider. */
  provider: ProviderSignIn | null;
  docs: readonly DocFile[];
}

/** Reads the Markdown files of a directory, by title; none if it is missing, as in the image. */
export async function readDocs(dir: string): Promise<DocFile[]> {
  const names = await readdir(dir).catch((): string[] => []);
  const files = await Promise.all(
    names
      .filter((name) => /^[\w-]+\.md$/.test(name) && name !== 'README.md')
      .map(async (name) => {
        const text = await readFile(path.join(dir, name), 'utf8');
        return { name, title: /^# (.+)/m.exec(text)?.[1] ?? name, text };
      }),
  );
  return files.sort((one, other) => one.title.localeCompare(other.title));
}

/** Sends the landing page. */
export type LandingHandler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

/**
 * Serves the landing page to browsers at `/`, and the documentation it links to at `/docs`. Each file has a fixed route: paths of
 * requests are never looked up on disk. @returns the handler for browsers at `/graphql`
 */
export function addLandingRoutes(
  server: FastifyInstance,
  { hasGraphiql, hasMetrics, demo, provider, docs }: LandingOptions,
): LandingHandler {
  const sendPage: LandingHandler = async (request, reply) => {
    // The links of the page are relative, for gateways below the path of a proxy.
    if (request.originalUrl.startsWith('/graphql/')) return reply.redirect('../graphql', 308);
    // Without the database the page has no accounts to offer.
    const content = { hasGraphiql, hasMetrics, docs, provider, demo: await demo().catch(() => null) };
    return reply
      .header('content-security-policy', landingPolicy)
      .header('cache-control', 'no-cache')
      .header('vary', 'accept')
      .type('text/html; charset=utf-8')
      .send(landingPage(content));
  };
  server.get('/', (request, reply) => {
    if (prefersHtml(request.headers.accept)) return sendPage(request, reply);
    reply.header('vary', 'accept').callNotFound();
    return reply;
  });
  for (const { name, text } of docs)
    server.get(`/docs/${name}`, (_request, reply) =>
      reply.header('cache-control', 'no-cache').type('text/plain; charset=utf-8').send(text),
    );
  return sendPage;
}

/** Whether a GET of `/graphql` is a visit of a browser: it prefers HTML, and its URL has no operation. */
export const isBrowserVisit = ({ method, url, headers }: FastifyRequest): boolean =>
  (method === 'GET' || method === 'HEAD') &&
  !/[?&](query|documentId|extensions)=[^&]/.test(url) &&
  prefersHtml(headers.accept);

const graphqlTypes = ['application/json', 'application/graphql-response+json', 'text/event-stream', 'multipart/mixed'];

/** Whether `Accept` names `text/html` with a weight that no type of a GraphQL response exceeds. */
export function prefersHtml(accept: string | undefined): boolean {
  const weights = new Map((accept ?? '').split(',').map(weightedType));
  const html = weights.get('text/html') ?? 0;
  return html > 0 && graphqlTypes.every((type) => (weights.get(type) ?? 0) < html);
}

function weightedType(range: string): [type: string, weight: number] {
  const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  return [type, weight === undefined ? 1 : Number(weight) || 0];
}
