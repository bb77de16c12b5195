/* The servers: how each is started, and which workloads it has. */
import { existsSync } from 'node:fs';
import path from 'node:path';

const dir = import.meta.dirname;
export const projectDir = path.join(dir, '..', '..');
const python = path.join(dir, '.venv', 'bin', 'python');

const ofNode = (file) => ({
  kind: 'graphql',
  path: '/graphql',
  workloads: ['W1'],
  command: [process.execPath, path.join(dir, 'servers', file)],
  variables: { NODE_ENV: 'production' },
  missing: () => (existsSync(path.join(dir, 'node_modules')) ? null : 'npm ci --prefix bench/peers'),
});

export const servers = {
  auspex: {
    title: 'Auspex (guards, log, metrics, history)',
    kind: 'graphql',
    path: '',
    workloads: ['W1', 'W2', 'W3', 'W7'],
    command: [process.execPath, '--max-semi-space-size=16', path.join(projectDir, 'dist', 'bundle', 'main.js')],
    variables: {},
    missing: () => null,
  },
  mercurius: { title: 'Mercurius with graphql-jit', ...ofNode('mercurius.mjs') },
  yoga: { title: 'GraphQL Yoga with DataLoader', ...ofNode('yoga.mjs') },
  'sql-json': { title: 'limit: Fastify with JSON made by SQL', ...ofNode('sql-json.mjs') },
  fastapi: {
    title: 'FastAPI with SQLAlchemy and ONNX Runtime',
    kind: 'rest',
    path: '',
    workloads: ['W1', 'W2', 'W3', 'W7'],
    command: [
      python,
      ...['-m', 'uvicorn', 'fastapi_server:app', '--app-dir', path.join(dir, 'servers'), '--port', '0'],
      ...['--no-access-log', '--loop', 'uvloop', '--http', 'httptools'],
    ],
    variables: {},
    missing: () =>
      existsSync(python)
        ? null
        : 'python3 -m venv bench/peers/.venv && bench/peers/.venv/bin/pip install -r bench/peers/requirements.txt',
  },
};
