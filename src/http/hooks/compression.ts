import type { Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import {
  brotliCompress,
  brotliCompressSync,
  constants,
  createBrotliCompress,
  createGzip,
  gzip,
  gzipSync,
} from 'node:zlib';
import { Negotiator } from '@fastify/accept-negotiator';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { isPromise } from '../../graphql/execution/promises.js';
import { etagOf } from '../routes/etag.js';
import { charactersPerSlice, isLarge, textStream } from '../text-slices.js';

/** Smaller bodies gain too little. */
const thresholdBytes = 1024;

/** Bodies up to this size compress in less than a millisecond, on the event loop; larger ones use the thread pool. */
const syncThresholdBytes = 32 * 1024;

/** Bounds the stored bodies. */
export const maxCompressedBytes = 8 * 1024 * 1024;

/** Accounted for each kept body, so that their number is bounded, too. */
const overheadBytes = 256;

/** Different Accept-Encoding headers whose choice is remembered. */
const maxKnownHeaders = 100;

const compressibleTypes = /^(?:text\/(?:html|plain|css|javascript)|application\/(?:[\w.-]+\+)?json|image\/svg\+xml)\b/;

/**
 * Compresses JSON and pages, but neither event streams nor precompressed content, and keeps the compressed bodies of responses from
 * the response cache, which have an Age. BREACH does not apply: credentials are headers that another site cannot make a browser send.
 */
export function addCompression(server: FastifyInstance): void {
  const kept = new LRUCache<string, Buffer>({
    maxSize: maxCompressedBytes,
    sizeCalculation: (bytes) => bytes.length + overheadBytes,
  });
  const negotiator = new Negotiator<'br' | 'gzip' | 'identity'>({
    supportedValues: ['br', 'gzip', 'identity'],
    cache: new LRUCache<string, string>({ max: maxKnownHeaders }),
  });
  server.addHook('onSend', (request, reply, payload, done) => {
    const isBody = typeof payload === 'string' || Buffer.isBuffer(payload);
    const encoding = isBody && isCompressible(reply, payload) ? negotiator.negotiate(acceptedBy(request)) : null;
    if (!isBody || encoding === null || encoding === 'identity') {
      done();
      return;
    }
    const vary = reply.getHeader('vary');
    void reply
      .header('vary', vary === undefined ? 'accept-encoding' : `${String(vary)}, accept-encoding`)
      .header('content-encoding', encoding)
      .removeHeader('content-length');
    if (!reply.hasHeader('age')) {
      compress(payload, encoders[encoding].once, done);
      return;
    }
    const compressOnce = (etag: string): void => {
      const key = `${encoding} ${etag}`;
      const known = kept.get(key);
      if (known) done(null, known);
      else
        compress(payload, encoders[encoding].kept, (error, bytes) => {
          if (bytes) kept.set(key, bytes);
          if (error) done(error);
          else done(null, bytes);
        });
    };
    const etag = String(reply.getHeader('etag') ?? '') || etagOf(payload);
    if (isPromise(etag)) etag.then(compressOnce, done);
    else compressOnce(etag);
  });
}

const isCompressible = (reply: FastifyReply, { length }: string | Buffer): boolean =>
  length >= thresholdBytes &&
  !reply.hasHeader('content-encoding') &&
  compressibleTypes.test(String(reply.getHeader('content-type') ?? ''));

const acceptedBy = ({ headers }: FastifyRequest): string => (headers['accept-encoding'] ?? '').toLowerCase();

type Done = (error: Error | null, bytes?: Buffer) => void;

function compress(payload: string | Buffer, encoder: Encoder, done: Done): void {
  if (typeof payload === 'string' && isLarge(payload)) {
    pipeline(textStream(payload), encoder.stream(), buffer).then((bytes) => done(null, bytes), done);
  } else if (payload.length > syncThresholdBytes) encoder.async(payload, done);
  else done(null, encoder.sync(payload));
}

interface Encoder {
  sync: (payload: string | Buffer) => Buffer;
  async: (payload: string | Buffer, done: Done) => void;
  /** For a text that is encoded in slices. */
  stream: () => Transform;
}

/** Of streams: a slice is compressed by few tasks of the thread pool. */
const chunkSize = charactersPerSlice;

const brotli = (quality: number): Encoder => {
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_MODE, BROTLI_MODE_TEXT } = constants;
  const options = { params: { [BROTLI_PARAM_QUALITY]: quality, [BROTLI_PARAM_MODE]: BROTLI_MODE_TEXT } };
  return {
    sync: (payload) => brotliCompressSync(payload, options),
    async: (payload, done) => brotliCompress(payload, options, done),
    stream: () => createBrotliCompress({ ...options, chunkSize }),
  };
};

const gzipped = (level: number): Encoder => ({
  sync: (payload) => gzipSync(payload, { level }),
  async: (payload, done) => gzip(payload, { level }, done),
  stream: () => createGzip({ level, chunkSize }),
});

/** What is sent again is worth more CPU time. `npm run bench -- compression` compares the levels. */
const encoders: Record<'br' | 'gzip', { once: Encoder; kept: Encoder }> = {
  br: { once: brotli(2), kept: brotli(5) },
  gzip: { once: gzipped(2), kept: gzipped(6) },
};
