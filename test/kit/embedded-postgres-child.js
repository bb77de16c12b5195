import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';

/** A gateway reduced to its server: tells the server on its standard output, and stops it when its standard input ends. */
const [dir] = process.argv.slice(2);
const server = await startEmbeddedPostgres({ dir, durable: false });
process.stdout.write(`${JSON.stringify({ url: server.url, port: server.port })}\n`);
process.stdin.resume().once('end', () => void server.stop().then(() => process.exit()));
