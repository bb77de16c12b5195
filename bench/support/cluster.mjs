/* Gateways behind one port: `node cluster.mjs COUNT [option ...]` starts that many, with these options of Node.js. */
import cluster from 'node:cluster';
import path from 'node:path';

const [count, ...execArgv] = process.argv.slice(2);
cluster.setupPrimary({ exec: path.join('dist', 'bundle', 'main.js'), args: [], execArgv });
for (let started = 0; started < Number(count); started++) cluster.fork();
cluster.on('exit', (_worker, code) => {
  if (code !== 0) process.exitCode = 1;
});
process.on('SIGTERM', () => {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.kill();
});
