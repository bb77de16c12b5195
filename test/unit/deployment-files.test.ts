import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { readConfig, variableNames } from '../../src/config.js';
import { secretFileVariables } from '../../src/secret-files.js';

const projectDir = path.join(import.meta.dirname, '..', '..');
const read = (file: string): string => readFileSync(path.join(projectDir, file), 'utf8');
const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';

/** Whether Auspex, the OpenTelemetry SDK or ONNX Runtime reads a variable of this name. */
const isKnown = (name: string): boolean => variableNames.includes(name) || secretFileVariables.includes(name) || /^OTEL_[A-Z_]+$/.test(name) || name === 'ORT_DISABLE_TELEMETRY';

/** Whether an image is named with a version, so that tomorrow's build is today's. */
const isPinned = (image: string): boolean => /^[\w./-]+:[\w.-]*\d[\w.-]*$/.test(image) || /^debian:[a-z]+-slim$/.test(image);

/** What runs in the image is compiled from src/. */
const isProgram = (command: string): boolean => {
  const program = /dist\/([\w/-]+)\.js/.exec(command)?.[1];
  return program !== undefined && existsSync(path.join(projectDir, 'src', `${program}.ts`));
};

interface Service {
  image?: string;
  build?: string;
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  environment?: Record<string, string | null>;
  volumes?: string[];
  ports?: string[];
  networks?: string[];
  network_mode?: string;
  restart?: string;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: unknown;
  deploy?: { resources?: { limits?: { memory?: string; pids?: number } }; replicas?: number };
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as { services: Record<string, Service>; volumes: Record<string, unknown>; networks: Record<string, { internal?: boolean } | null> };
const replicas = parse(read('docker-compose.replicas.yml'), { logLevel: 'silent' }) as { services: Record<string, Service> };
const services = Object.entries(compose.services);

describe('the Dockerfile', () => {
  // Comments and continued lines apart.
  const lines = read('Dockerfile').replaceAll(/\\\n/g, ' ').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const argumentsOf = (instruction: string): string[] => lines.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.slice(instruction.length).trim());
  const sources = argumentsOf('COPY').flatMap((copy) => (copy.startsWith('--from=') ? [] : copy.split(/\s+/).slice(0, -1)));

  it('needs no frontend from elsewhere, and names the version of each image', () => {
    expect(read('Dockerfile')).not.toMatch(/^#\s*syntax\s*=/im);
    expect(argumentsOf('FROM').map((from) => from.split(' ')[0] ?? '').filter((image) => !isPinned(image))).toEqual([]);
  });

  it('installs what the lock file says, without install scripts, and brings no tools to fetch more', () => {
    const installs = argumentsOf('RUN').filter((command) => command.includes('npm ') && !command.includes('npm run'));
    expect(installs.length).toBeGreaterThan(0);
    for (const install of installs) expect(install).toMatch(/npm ci .*--ignore-scripts/);
    expect(lines.filter((line) => /apt-get|curl|wget|npm install/.test(line))).toEqual([]);
  });

  it('runs as a user who is not root, with programs that are there', () => {
    expect(Number(argumentsOf('USER').at(-1)?.split(':')[0])).toBeGreaterThan(0);
    expect(isProgram(argumentsOf('CMD').at(-1) ?? '')).toBe(true);
    expect(isProgram(argumentsOf('HEALTHCHECK').at(-1) ?? '')).toBe(true);
    expect(argumentsOf('STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  it('starts the gateway as npm start does', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } };
    expect((JSON.parse(argumentsOf('CMD').at(-1) ?? '') as string[]).join(' ')).toBe(scripts.start);
  });

  it('sets variables that are read, to what they may be', () => {
    const env = Object.fromEntries(argumentsOf('ENV').flatMap((line) => line.split(/\s+/).map((pair) => pair.split('='))) as [string, string][]);
    expect(Object.keys(env).filter((name) => !isKnown(name))).toEqual([]);
    const config = readConfig({ ...env, JWT_SECRET: secret, DATABASE_URL: 'postgresql://a@b/c' });
    expect(config).toMatchObject({ isProduction: true, host: '0.0.0.0' });
    expect(argumentsOf('EXPOSE').join(' ').split(' ')).toEqual([String(config.port), String(config.metricsPort)]);
  });

  it('is sent what it copies, and no secret or history', () => {
    const rules = read('.dockerignore').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(rules[0]).toBe('*');
    const sent = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
    expect(sources.filter((source) => !sent.some((one) => source === one || source.startsWith(`${one}/`)))).toEqual([]);
    expect(sources.filter((source) => !existsSync(path.join(projectDir, source)))).toEqual([]);
    expect(sent.filter((one) => /^\.env|^\.git|^\.data/.test(one))).toEqual([]);
  });
});

describe('docker-compose.yml', () => {
  it('has the gateway and all that it can use, each image with its version', () => {
    expect(Object.keys(compose.services).sort()).toEqual(['collector', 'gateway', 'grafana', 'postgres', 'prometheus', 'redis', 'secrets']);
    expect(services.flatMap(([, { image, build }]) => (build === undefined && !isPinned(image ?? '') ? [image] : []))).toEqual([]);
    expect(compose.services.postgres?.image).toMatch(/^postgres:17\./);
    expect(compose.services.redis?.image).toMatch(/^redis:7\./);
  });

  it('gives the gateway variables that are read, to what they may be', () => {
    const environment = Object.entries({ ...compose.services.gateway?.environment, ...replicas.services.gateway?.environment });
    expect(environment.map(([name]) => name).filter((name) => !isKnown(name))).toEqual([]);
    // What is in files is not there yet.
    const set = Object.fromEntries(environment.filter(([name, value]) => value !== null && !name.endsWith('_FILE')));
    const config = readConfig({ NODE_ENV: 'production', ...(set as Record<string, string>), JWT_SECRET: secret, DATABASE_URL: 'postgresql://a@b/c' });
    expect(config).toMatchObject({ redisUrl: 'redis://redis:6379', trustedProxies: 1, hasDemoData: false, isRegistrationOpen: false });
  });

  it('holds no secret', () => {
    const secrets = services.flatMap(([, { environment = {} }]) => Object.entries(environment).filter(([name]) => /password|secret|token|key|database_url/i.test(name)));
    expect(secrets.length).toBeGreaterThan(3);
    for (const [name, value] of secrets) expect({ name, value }).toEqual({ name: expect.stringMatching(/_FILE$/), value: expect.stringMatching(/^\/run\/auspex\/[\w-]+$/) });
  });

  it('mounts only what is in the repository, to be read, or in a volume that it names', () => {
    for (const service of [...services.map(([, one]) => one), ...Object.values(replicas.services)]) {
      for (const volume of service.volumes ?? []) {
        const [source = '', , mode] = volume.split(':');
        if (source.startsWith('./')) expect({ source, isThere: existsSync(path.join(projectDir, source)), mode }).toEqual({ source, isThere: true, mode: 'ro' });
        else expect(Object.keys(compose.volumes)).toContain(source);
      }
    }
  });

  it('lets other machines reach the gateway alone, and the database and the cache nobody', () => {
    const open = services.flatMap(([name, { ports = [] }]) => ports.filter((port) => !port.startsWith('127.0.0.1:')).map(() => name));
    expect(open).toEqual(['gateway']);
    expect(compose.networks.data).toEqual({ internal: true });
    for (const name of ['postgres', 'redis']) expect(compose.services[name]).toMatchObject({ networks: ['data'] });
    expect(compose.services.secrets?.network_mode).toBe('none');
  });

  it('gives each service no right, no file to write and no memory that it does not need', () => {
    for (const [name, { cap_drop, read_only, deploy }] of [...services, ...Object.entries(replicas.services).filter(([other]) => other === 'nginx')]) {
      expect({ name, cap_drop, read_only, limits: deploy?.resources?.limits }).toEqual({
        name,
        cap_drop: ['ALL'],
        read_only: true,
        limits: { memory: expect.any(String), pids: expect.any(Number) },
      });
    }
  });

  it('starts each service again, and waits only for those that say how they are', () => {
    const isAsked = ({ healthcheck, build }: Service): boolean => healthcheck !== undefined || build !== undefined;
    expect(services.filter(([, service]) => !isAsked(service)).map(([name]) => name).sort()).toEqual(['collector', 'secrets']);
    expect(services.filter(([, { restart }]) => restart !== 'unless-stopped').map(([name]) => name)).toEqual(['secrets']);
    for (const [, { depends_on = {} }] of services) {
      for (const [name, { condition }] of Object.entries(depends_on)) {
        const expected = name === 'secrets' ? 'service_completed_successfully' : 'service_healthy';
        expect({ name, condition, isAsked: name === 'secrets' || isAsked(compose.services[name] ?? {}) }).toEqual({ name, condition: expected, isAsked: true });
      }
    }
  });

  it('keeps nothing in Redis, and lets go of what nobody asked for longest', () => {
    expect(read('docker-compose.yml')).toContain("[redis-server, --maxmemory, 256mb, --maxmemory-policy, allkeys-lru, --save, '', --appendonly, 'no']");
  });
});

describe('docker-compose.replicas.yml', () => {
  it('puts nginx where the gateway was, before all its replicas', () => {
    expect(replicas.services.gateway).toMatchObject({ ports: [], deploy: { replicas: 2 } });
    expect(replicas.services.nginx?.ports).toEqual(compose.services.gateway?.ports?.map((port) => port.replace(/4000$/, '80')));
    const upstream = read('ops/nginx/auspex.conf').replaceAll('127.0.0.1:4001', 'gateway:4000').replaceAll(/.*127\.0\.0\.1:4002.*\n/g, '');
    expect(upstream.match(/^\s*server [^{]*;$/gm)?.map((line) => line.trim().split(' ')[1])).toEqual(['gateway:4000']);
  });
});

describe('the secrets of the first start', () => {
  let dir: string;
  let tools: string;
  const names = ['database-url', 'gateway-role-password', 'grafana-password', 'jwt-secret', 'postgres-password'];
  const valueOf = (name: string): string => readFileSync(path.join(dir, name), 'utf8');
  const makeSecrets = (): void => {
    const { status, stderr } = spawnSync('sh', [path.join(projectDir, 'ops', 'compose', 'make-secrets.sh'), dir], { env: { PATH: `${tools}:${process.env.PATH ?? ''}` }, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  };

  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'auspex-secrets-'));
    tools = mkdtempSync(path.join(tmpdir(), 'auspex-tools-'));
    // Only root gives files away.
    writeFileSync(path.join(tools, 'chown'), '#!/bin/sh\necho "$1 $(basename "$2")" >>"$(dirname "$0")/given"\n', { mode: 0o755 });
    makeSecrets();
  });
  afterAll(() => {
    for (const one of [dir, tools]) rmSync(one, { recursive: true });
  });

  it('are such as the gateway takes, and each is for one reader', () => {
    expect(readdirSync(dir).sort()).toEqual(names);
    expect(names.map((name) => statSync(path.join(dir, name)).mode & 0o777)).toEqual(names.map(() => 0o600));
    expect(readFileSync(path.join(tools, 'given'), 'utf8').trim().split('\n').map((line) => line.split(':')[0]).sort()).toEqual(['10001', '10001', '472', '999', '999']);
    const config = readConfig({ NODE_ENV: 'production', JWT_SECRET_FILE: path.join(dir, 'jwt-secret'), DATABASE_URL_FILE: path.join(dir, 'database-url') });
    expect(new URL(config.databaseUrl ?? '')).toMatchObject({ username: 'auspex', password: valueOf('gateway-role-password'), host: 'postgres:5432', pathname: '/auspex' });
    expect(new Set(names.map(valueOf)).size).toBe(names.length);
  });

  it('are kept by later starts', () => {
    const before = names.map(valueOf);
    makeSecrets();
    expect(names.map(valueOf)).toEqual(before);
  });

  it('fit each other also where the first start was broken off', () => {
    rmSync(path.join(dir, 'gateway-role-password'));
    writeFileSync(path.join(dir, 'draft'), 'half');
    makeSecrets();
    expect(readdirSync(dir).sort()).toEqual(names);
    expect(valueOf('database-url')).toContain(`:${valueOf('gateway-role-password')}@`);
  });
});

describe('the collector', () => {
  it('is told of nothing that its pipelines do not have', () => {
    const { service, ...parts } = parse(read('ops/collector/config.yml')) as { service: { pipelines: Record<string, Record<string, string[]>> } } & Record<string, Record<string, unknown>>;
    for (const pipeline of Object.values(service.pipelines)) {
      for (const [kind, named] of Object.entries(pipeline)) expect(Object.keys(parts[kind] ?? {}).sort()).toEqual([...named].sort());
      // First, so that nothing is held that there is no memory for.
      expect(pipeline.processors?.[0]).toBe('memory_limiter');
    }
  });
});

describe('render.yaml', () => {
  interface EnvVar {
    key: string;
    value?: string;
    fromDatabase?: { name: string };
    fromService?: { name: string; type: string };
  }
  const blueprint = parse(read('render.yaml')) as {
    services: { type: string; name: string; healthCheckPath?: string; preDeployCommand?: string; dockerfilePath?: string; maxShutdownDelaySeconds?: number; envVars?: EnvVar[] }[];
    databases: { name: string; postgresMajorVersion: string }[];
  };
  const web = blueprint.services.find(({ type }) => type === 'web');
  const variables = web?.envVars ?? [];

  it('deploys the gateway, PostgreSQL 17 and a Redis', () => {
    expect(blueprint.services.map(({ type }) => type)).toEqual(['web', 'keyvalue']);
    expect(blueprint.databases).toEqual([expect.objectContaining({ postgresMajorVersion: '17' })]);
    expect(web).toMatchObject({ healthCheckPath: '/readyz', dockerfilePath: './Dockerfile' });
    expect(isProgram(web?.preDeployCommand ?? '')).toBe(true);
    expect(web?.maxShutdownDelaySeconds).toBeGreaterThan(readConfig({}).shutdownSeconds);
  });

  it('sets variables that are read, to what they may be or to what it deploys', () => {
    expect(variables.map(({ key }) => key).filter((name) => !isKnown(name))).toEqual([]);
    const set = Object.fromEntries(variables.flatMap(({ key, value }) => (value === undefined ? [] : [[key, value]])));
    expect(() => readConfig({ NODE_ENV: 'production', ...set, JWT_SECRET: secret, DATABASE_URL: 'postgresql://a@b/c' })).not.toThrow();
    const named = variables.flatMap(({ fromDatabase, fromService }) => [fromDatabase?.name, fromService?.name].filter((name) => name !== undefined));
    expect(named.sort()).toEqual([...blueprint.databases.map(({ name }) => name), ...blueprint.services.filter(({ type }) => type === 'keyvalue').map(({ name }) => name)].sort());
  });
});
