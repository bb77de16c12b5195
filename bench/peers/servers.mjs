/* The servers: how each is started, and which workloads it has. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { nodeOptions } from '../support/node-options.ts';
import { tableWorkloads } from './table-workloads.mjs';

const dir = import.meta.dirname;
export const projectDir = path.join(dir, '..', '..');
export const venv = (name) => path.join(dir, `.venv${name}`);
export const tutorialFile = path.join(dir, 'dist', 'tutorial.cjs');

const ofGateway = (title, workloads, variables, others = {}) => ({
  title,
  kind: 'graphql',
  program: 'auspex',
  workloads,
  command: gatewayCommand(projectDir),
  variables,
  isGateway: true,
  missing: () => null,
  ...others,
});

/** The gateway of a project folder. */
export function gatewayCommand(folder) {
  return [process.execPath, ...nodeOptions, path.join(folder, 'dist', 'bundle', 'main.js')];
}

const ofNode = (title, file, { name, ...others }) => ({
  title,
  kind: 'graphql',
  program: name,
  command: [process.execPath, path.resolve(dir, 'servers', file)],
  missing: () => (existsSync(path.join(dir, 'node_modules')) ? null : 'npm ci --prefix bench/peers'),
  ...others,
  variables: { NODE_ENV: 'production', ...others.variables },
});

const ofPython = (title, environment, { command, ...others }) => {
  const folder = venv(environment);
  return {
    title,
    variables: {},
    command: [path.join(folder, 'bin', 'python'), ...command],
    missing: () => (existsSync(path.join(folder, 'bin', 'python')) ? null : `see bench/peers/README.md`),
    ...others,
  };
};
const ofFastApi = (title, module, others) =>
  ofPython(title, '', {
    kind: 'rest',
    command: [
      ...['-m', 'uvicorn', `${module}:app`, '--app-dir', path.join(dir, 'servers'), '--port', '0'],
      ...['--no-access-log', '--loop', 'uvloop', '--http', 'httptools'],
    ],
    ...others,
  });
const script = (name) => [path.join(dir, 'servers', name)];

const ofTables = Object.keys(tableWorkloads);
const named = { NAMED_STATEMENTS: 'true' };
const compressing = { COMPRESSION: 'true' };

export const servers = {
  auspex: ofGateway(
    'Auspex (guards, log, metrics, history)',
    ['W1', 'W1-gzip', 'W1-br', 'W2', 'W3', 'W4', 'W5', 'W6', 'W7'],
    { RESPONSE_CACHE: 'false' },
  ),
  'auspex-cached': ofGateway('Auspex with its response cache', ['W1-cached', 'W1-cached-br'], {
    RESPONSE_CACHE: 'true',
  }),
  'auspex-tables': ofGateway('Auspex with generated types', ofTables, {}, { isOfTables: true }),
  'postgraphile-tables': ofNode('PostGraphile 5', 'postgraphile.mjs', {
    name: 'postgraphile',
    workloads: ofTables,
    variables: { SCHEMA: 'shop' },
  }),
  mercurius: ofNode('Mercurius with graphql-jit', 'mercurius.mjs', { name: 'mercurius', workloads: ['W1', 'W6'] }),
  'mercurius-named': ofNode('Mercurius, named statements', 'mercurius.mjs', {
    name: 'mercurius',
    workloads: ['W1', 'W6'],
    variables: named,
  }),
  'mercurius-compressed': ofNode('Mercurius with @fastify/compress', 'mercurius.mjs', {
    name: 'mercurius',
    workloads: ['W1-gzip', 'W1-br'],
    variables: compressing,
  }),
  yoga: ofNode('GraphQL Yoga with DataLoader', 'yoga.mjs', { name: 'yoga', workloads: ['W1', 'W6'] }),
  'yoga-named': ofNode('GraphQL Yoga, named statements', 'yoga.mjs', {
    name: 'yoga',
    workloads: ['W1', 'W6'],
    variables: named,
  }),
  'yoga-cached': ofNode('GraphQL Yoga with its response cache in the process', 'yoga.mjs', {
    name: 'yoga',
    workloads: ['W1-cached'],
    variables: { RESPONSE_CACHE: 'true' },
  }),
  postgraphile: ofNode('PostGraphile 5', 'postgraphile.mjs', { name: 'postgraphile', workloads: ['W1'] }),
  tutorial: ofNode('Apollo Server as in tutorials, a statement for each reference', tutorialFile, {
    name: 'tutorial',
    workloads: ['W1'],
    share: 0.2,
    headers: { authorization: 'Bearer anybody' },
  }),
  'tutorial-loaded': ofNode('Apollo Server as in tutorials, with the data loader of MikroORM', tutorialFile, {
    name: 'tutorial',
    workloads: ['W1'],
    share: 0.2,
    headers: { authorization: 'Bearer anybody' },
    variables: { DATALOADER: 'true' },
  }),
  fastapi: ofFastApi('FastAPI with SQLAlchemy and ONNX Runtime', 'fastapi_server', {
    workloads: ['W1', 'W2', 'W3', 'W4', 'W5', 'W6', 'W7'],
  }),
  'fastapi-compressed': ofFastApi('FastAPI with GZipMiddleware', 'fastapi_server', {
    workloads: ['W1-gzip'],
    variables: compressing,
  }),
  'fastapi-sklearn': ofFastApi('FastAPI with scikit-learn', 'fastapi_sklearn', {
    workloads: ['W3', 'W7'],
    share: 0.1,
    isOtherModel: true,
    prepare: [path.join(venv(''), 'bin', 'python'), ...script('train_sklearn.py')],
  }),
  triton: ofPython('Triton Inference Server', '-triton', {
    kind: 'v2',
    workloads: ['W3', 'W7'],
    command: script('triton.py'),
    ready: '/v2/models/car-price/ready',
  }),
  mlserver: ofPython('MLServer', '-mlserver', {
    kind: 'v2',
    workloads: ['W3', 'W7'],
    command: script('mlserver_server.py'),
    ready: '/v2/models/car-price/ready',
  }),
  'sql-json': ofNode('limit: Fastify with JSON made by SQL', 'sql-json.mjs', { name: 'sql', workloads: ['W1'] }),
  redis: ofNode('limit: Fastify with one Redis GET', 'redis.mjs', {
    name: 'redis',
    kind: 'redis',
    workloads: ['W1-cached', 'W2'],
  }),
  onnxruntime: ofNode('limit: `session.run` alone, without HTTP and JSON', 'onnxruntime.mjs', {
    name: 'onnxruntime',
    kind: 'loop',
    workloads: ['W3', 'W7'],
  }),
};
