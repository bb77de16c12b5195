import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { escapeHtml, type DemoSignIn, type ProviderSignIn } from './landing-page.js';

/** The built IDE, in memory. */
export interface IdeFiles {
  page: string;
  assets: IdeAsset[];
}

/** A file of the page; its name contains a hash of its contents. */
interface IdeAsset {
  name: string;
  contentType: string;
  contents: Buffer;
  /** Precompressed variants, the smallest first; empty for formats that are compressed already. */
  compressed: { encoding: string; contents: Buffer }[];
}

export interface GraphiqlOptions {
  /** Null if the IDE was not built; the route then responds with an error. */
  files: IdeFiles | null;
  /** Whether CORS allows Apollo Sandbox, so that the IDE links to it. */
  isSandboxAllowed: boolean;
  /** Accounts that the IDE offers for sign-in; resolves with null if there are none. */
  demo: () => Promise<DemoSignIn | null>;
  /** The identity provider that the IDE offers for sign-in; null without one. */
  provider: ProviderSignIn | null;
}

const contentTypes: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
};

const compressions = [
  { encoding: 'br', extension: '.br' },
  { encoding: 'gzip', extension: '.gz' },
];

/**
 * Allows only files of this origin and no inline scripts. Monaco needs the exceptions: it adds inline styles, and its icons are
 * data URLs in the style sheet.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Reads the IDE that `npm run build` wrote; null if it was not built. */
export async function readIdeFiles(dir: string): Promise<IdeFiles | null> {
  const names = await readdir(dir).catch((): string[] => []);
  if (!names.includes('index.html')) return null;
  const isAsset = (name: string): boolean => path.extname(name) in contentTypes;
  const [page, ...assets] = await Promise.all([
    readFile(path.join(dir, 'index.html'), 'utf8'),
    ...names.filter(isAsset).map(async (name): Promise<IdeAsset> => {
      const present = compressions.filter(({ extension }) => names.includes(name + extension));
      return {
        name,
        contentType: contentTypes[path.extname(name)] ?? 'application/octet-stream',
        contents: await readFile(path.join(dir, name)),
        compressed: await Promise.all(
          present.map(async ({ encoding, extension }) => ({
            encoding,
            contents: await readFile(path.join(dir, name + extension)),
          })),
        ),
      };
    }),
  ]);
  return { page, assets };
}

/** Serves GraphiQL at `/graphiql`. Each file has a fixed route: paths of requests are never looked up on disk. */
export function addGraphiqlRoutes(
  server: FastifyInstance,
  { files, isSandboxAllowed, demo, provider }: GraphiqlOptions,
): void {
  if (files === null) {
    server.get('/graphiql', () => {
      throw new ServiceUnavailable('GraphiQL is not built; run npm run build and restart.');
    });
    return;
  }
  const page = files.page
    .replace('%sandbox%', String(isSandboxAllowed))
    .replace('%provider%', () => escapeHtml(JSON.stringify(provider)));
  server.get('/graphiql', async (_request, reply) => {
    // Without the database the page offers no accounts.
    const accounts = JSON.stringify(await demo().catch(() => null));
    return reply
      .header('content-security-policy', contentSecurityPolicy)
      .header('cache-control', 'no-cache')
      .type('text/html; charset=utf-8')
      .send(page.replace('%demo%', () => escapeHtml(accounts)));
  });
  // The page refers to its files relative to `/graphiql`.
  server.get('/graphiql/', (_request, reply) => reply.redirect('../graphiql', 308));
  for (const asset of files.assets)
    server.get(`/graphiql/${asset.name}`, (request, reply) => sendAsset(asset, request, reply));
}

function sendAsset(
  { contentType, contents, compressed }: IdeAsset,
  { headers }: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const chosen = compressed.find(({ encoding }) => accepts(headers['accept-encoding'], encoding));
  if (compressed.length > 0) void reply.header('vary', 'accept-encoding');
  if (chosen) void reply.header('content-encoding', chosen.encoding);
  return (
    reply
      .header('cache-control', 'public, max-age=31536000, immutable')
      // A worker uses the policy of its file.
      .header('content-security-policy', contentSecurityPolicy)
      .type(contentType)
      .send(chosen?.contents ?? contents)
  );
}

/** Whether the header accepts the encoding (not `br;q=0`). */
const accepts = (header: string | string[] | undefined, encoding: string): boolean =>
  String(header ?? '')
    .split(',')
    .some((part) => {
      const [name = '', ...parameters] = part.split(';').map((word) => word.trim().toLowerCase());
      return name === encoding && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
    });
