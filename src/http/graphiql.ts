import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ServiceUnavailable } from '../shared/errors.js';

/** The IDE as it was built, in memory. */
export interface IdeFiles {
  page: string;
  assets: IdeAsset[];
}

/** A file that the page loads, by a name that changes with what is in it. */
interface IdeAsset {
  name: string;
  contentType: string;
  contents: Buffer;
  /** The contents as `br` and `gzip`, the better one first; none for what is compressed already. */
  compressed: { encoding: string; contents: Buffer }[];
}

export interface GraphiqlOptions {
  /** Null where it was not built; the route then says so. */
  files: IdeFiles | null;
  /** Whether pages of Apollo Sandbox may call, so that the IDE offers it. */
  isSandboxAllowed: boolean;
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
 * Everything comes from this origin, and no script stands in the page. Loosened for Monaco alone: it writes styles into the
 * page, and its icons are pictures within the style sheet.
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

/** Reads the IDE that `npm run build` has put there; null where it has not. */
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
        compressed: await Promise.all(present.map(async ({ encoding, extension }) => ({ encoding, contents: await readFile(path.join(dir, name + extension)) }))),
      };
    }),
  ]);
  return { page, assets };
}

/** GraphiQL at `/graphiql`. Each of its files has a route of its own: no path that a caller sends is looked up on the disk. */
export function addGraphiqlRoutes(server: FastifyInstance, { files, isSandboxAllowed }: GraphiqlOptions): void {
  if (files === null) {
    server.get('/graphiql', () => {
      throw new ServiceUnavailable('GraphiQL is not built here; run npm run build and start again.');
    });
    return;
  }
  const page = files.page.replace('%sandbox%', String(isSandboxAllowed));
  server.get('/graphiql', (_request, reply) =>
    reply.header('content-security-policy', contentSecurityPolicy).header('cache-control', 'no-cache').type('text/html; charset=utf-8').send(page),
  );
  // The page's files are named relative to `/graphiql`.
  server.get('/graphiql/', (_request, reply) => reply.redirect('../graphiql', 308));
  for (const asset of files.assets) server.get(`/graphiql/${asset.name}`, (request, reply) => sendAsset(asset, request, reply));
}

function sendAsset({ contentType, contents, compressed }: IdeAsset, { headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const chosen = compressed.find(({ encoding }) => accepts(headers['accept-encoding'], encoding));
  if (compressed.length > 0) void reply.header('vary', 'accept-encoding');
  if (chosen) void reply.header('content-encoding', chosen.encoding);
  return reply
    .header('cache-control', 'public, max-age=31536000, immutable')
    // A worker has the policy of its own file.
    .header('content-security-policy', contentSecurityPolicy)
    .type(contentType)
    .send(chosen?.contents ?? contents);
}

/** Whether the header names the encoding, and not to refuse it (`br;q=0`). */
const accepts = (header: string | string[] | undefined, encoding: string): boolean =>
  String(header ?? '').split(',').some((part) => {
    const [name = '', ...parameters] = part.split(';').map((word) => word.trim().toLowerCase());
    return name === encoding && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
