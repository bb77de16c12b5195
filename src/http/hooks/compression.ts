import { constants } from 'node:zlib';
import compress from '@fastify/compress';
import type { FastifyInstance } from 'fastify';

/** Smaller bodies gain too little. */
const thresholdBytes = 1024;

/** Responses up to this size compress in about a millisecond, on the event loop; larger ones use the thread pool. */
const syncThresholdBytes = 32 * 1024;

/**
 * Compresses JSON and pages, but neither event streams nor precompressed content. The levels give most of the gain for little
 * CPU time. BREACH does not apply: credentials are headers that another site cannot make a browser send.
 */
export async function addCompression(server: FastifyInstance): Promise<void> {
  // Only routes that are added after registration are compressed.
  await server.register(compress, {
    globalDecompression: false,
    encodings: ['br', 'gzip'],
    threshold: thresholdBytes,
    syncThreshold: syncThresholdBytes,
    customTypes: /^(?:text\/(?:html|plain|css|javascript)|application\/(?:[\w.-]+\+)?json|image\/svg\+xml)\b/,
    brotliOptions: {
      params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT },
    },
    zlibOptions: { level: 4 },
  });
}
