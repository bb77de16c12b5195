import type { FastifyInstance } from 'fastify';
import { inTurns, isLarge, textStream } from '../text-slices.js';

/**
 * Encodes large texts in turns of the event loop, as fast as the client reads, with their length as before. Call it after every hook
 * that takes texts.
 */
export function addLargeBodies(server: FastifyInstance): void {
  server.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload !== 'string' || !isLarge(payload)) {
      done();
      return;
    }
    byteLengthOf(payload).then((bytes) => {
      void reply.header('content-length', bytes);
      done(null, request.method === 'HEAD' ? payload : textStream(payload));
    }, done);
  });
}

async function byteLengthOf(text: string): Promise<number> {
  let bytes = 0;
  await inTurns(text, (slice) => (bytes += Buffer.byteLength(slice)));
  return bytes;
}
