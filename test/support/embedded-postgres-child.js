import { startEmbeddedPostgres } from '../../packages/embedded-postgres/src/index.ts';

/** Starts an embedded PostgreSQL, prints its URL and port as JSON, and stops it when standard input ends. */
const [dir] = process.argv.slice(2);
const server = await startEmbeddedPostgres({ dir, durable: false });
process.stdout.write(`${JSON.stringify({ url: server.url, port: server.port })}\n`);
process.stdin.resume().once('end', () => void server.stop().then(() => process.exit()));
