import { constants } from 'node:zlib';
import compress from '@fastify/compress';
import type { FastifyInstance } from 'fastify';

/** Less is hardly made smaller. */
const thresholdBytes = 1024;

/** An answer up to here is compressed at once, in about a millisecond; a larger one beside the event loop. */
const syncThresholdBytes = 32 * 1024;

/**
 * Compresses answers for those who take them so: JSON and pages, and neither streams of events nor what is compressed already.
 * The levels are those at which most of the gain is had for little time. Answers hold no secret beside text that another site
 * could have put there, since credentials are headers that no site can make a browser send (BREACH).
 */
export async function addCompression(server: FastifyInstance): Promise<void> {
  // Awaited, since it takes in the routes that are added after it.
  await server.register(compress, {
    globalDecompression: false,
    encodings: ['br', 'gzip'],
    threshold: thresholdBytes,
    syncThreshold: syncThresholdBytes,
    customTypes: /^(?:text\/(?:html|plain|css|javascript)|application\/(?:[\w.-]+\+)?json|image\/svg\+xml)\b/,
    brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT } },
    zlibOptions: { level: 4 },
  });
}
