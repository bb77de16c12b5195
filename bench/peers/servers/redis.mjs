/* A limit rather than a peer: Fastify sends the text that one Redis GET returns. */
import { createClient } from '@redis/client';
import fastify from 'fastify';

const redis = await createClient({ url: process.env.REDIS_URL }).connect();
const app = fastify();
app.get('/:workload', async ({ params: { workload } }, reply) =>
  reply.type('application/json; charset=utf-8').send(await redis.get(`bench:${workload}`)),
);
console.log(await app.listen({ port: 0, host: '127.0.0.1' }));
