import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { readConfig } from '../../src/config/config.js';
import { secretFileVariables, variableNames } from '../../src/config/schema.js';

const projectDir = path.join(import.meta.dirname, '..', '..');
const read = (file: string): string => readFileSync(path.join(projectDir, file), 'utf8');
const secret = 'vB7pXq2RtYw9ZkLm4NcHsJ8dFgT6aEuQ1o';

/** Whether Auspex, the OpenTelemetry SDK, ONNX Runtime or the C library reads this variable. */
const isKnown = (name: string): boolean =>
  variableNames.includes(name) ||
  secretFileVariables.includes(name) ||
  /^OTEL_[A-Z_]+$/.test(name) ||
  ['ORT_DISABLE_TELEMETRY', 'MALLOC_ARENA_MAX', 'MALLOC_MMAP_THRESHOLD_'].includes(name);

/** Whether an image has a version tag, which makes builds repeatable. Renovate adds the digest. */
const isPinned = (image: string): boolean =>
  /^(?:[\w./-]+:[\w.-]*\d[\w.-]*|debian:[a-z]+-slim)(?:@sha256:[\da-f]{64})?$/.test(image);

/** Whether a command runs a program that is compiled from src/. */
const isProgram = (command: string): boolean => {
  const program = /dist\/(?:bundle\/)?([\w/-]+)\.js/.exec(command)?.[1];
  return program !== undefined && existsSync(path.join(projectDir, 'src', `${program}.ts`));
};

interface Service {
  image?: string;
  build?: string;
  user?: string;
  command?: string[];
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

const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
  networks: Record<string, { internal?: boolean } | null>;
};
const replicas = parse(read('docker-compose.replicas.yml'), { logLevel: 'silent' }) as {
  services: Record<string, Service>;
};
const services = Object.entries(compose.services);

describe('the Dockerfile', () => {
  // Instructions, without comments and with continued lines joined.
  const lines = read('Dockerfile')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const argumentsOf = (instruction: string): string[] =>
    lines.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.slice(instruction.length).trim());
  const sources = argumentsOf('COPY').flatMap((copy) =>
    copy.startsWith('--from=') ? [] : copy.split(/\s+/).slice(0, -1),
  );

  it('needs no external frontend and pins each image', () => {
    expect(read('Dockerfile')).not.toMatch(/^#\s*syntax\s*=/im);
    expect(
      argumentsOf('FROM')
        .map((from) => from.split(' ')[0] ?? '')
        .filter((image) => !isPinned(image)),
    ).toEqual([]);
  });

  it('installs from the lock file without install scripts and adds no download tools', () => {
    const installs = argumentsOf('RUN').filter((command) => command.includes('npm ') && !command.includes('npm run'));
    expect(installs.length).toBeGreaterThan(0);
    for (const install of installs) expect(install).toMatch(/npm ci .*--ignore-scripts/);
    expect(lines.filter((line) => /apt-get|curl|wget|npm install/.test(line))).toEqual([]);
  });

  it('runs existing programs as a user other than root', () => {
    expect(Number(argumentsOf('USER').at(-1)?.split(':')[0])).toBeGreaterThan(0);
    expect(isProgram(argumentsOf('CMD').at(-1) ?? '')).toBe(true);
    expect(isProgram(argumentsOf('HEALTHCHECK').at(-1) ?? '')).toBe(true);
    expect(argumentsOf('STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  it('starts the gateway like npm start', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } };
    expect((JSON.parse(argumentsOf('CMD').at(-1) ?? '') as string[]).join(' ')).toBe(
      scripts.start.split(' && ').at(-1),
    );
  });

  it('sets known variables to valid values', () => {
    const env = Object.fromEntries(
      argumentsOf('ENV').flatMap((line) => line.split(/\s+/).map((pair) => pair.split('='))) as [string, string][],
    );
    expect(Object.keys(env).filter((name) => !isKnown(name))).toEqual([]);
    const config = readConfig({ ...env, JWT_SECRET: secret, DATABASE_URL: 'postgresql://a@b/c' });
    expect(config).toMatchObject({ isProduction: true, http: { host: '0.0.0.0' } });
    expect(argumentsOf('EXPOSE').join(' ').split(' ')).toEqual([
      String(config.http.port),
      String(config.http.metricsPort),
    ]);
  });

  it('has every copied file in its context, and no secret or history', () => {
    const rules = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(rules[0]).toBe('*');
    const included = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
    expect(
      sources.filter((source) => !included.some((entry) => source === entry || source.startsWith(`${entry}/`))),
    ).toEqual([]);
    expect(sources.filter((source) => !existsSync(path.join(projectDir, source)))).toEqual([]);
    expect(included.filter((entry) => /^\.env|^\.git|^\.data/.test(entry))).toEqual([]);
  });
});

describe('docker-compose.yml', () => {
  it('has the gateway and every optional service, with pinned images', () => {
    expect(Object.keys(compose.services).sort()).toEqual([
      'collector',
      'gateway',
      'grafana',
      'postgres',
      'prometheus',
      'redis',
      'redis-counters',
      'secrets',
    ]);
    expect(
      services.flatMap(([, { image, build }]) => (build === undefined && !isPinned(image ?? '') ? [image] : [])),
    ).toEqual([]);
    expect(compose.services.postgres?.image).toMatch(/^postgres:17\./);
    expect(compose.services.redis?.image).toMatch(/^redis:7\./);
  });

  it('sets known variables of the gateway to valid values', () => {
    const environment = Object.entries({
      ...compose.services.gateway?.environment,
      ...replicas.services.gateway?.environment,
    });
    expect(environment.map(([name]) => name).filter((name) => !isKnown(name))).toEqual([]);
    // Secret files do not exist here.
    const set = Object.fromEntries(environment.filter(([name, value]) => value !== null && !name.endsWith('_FILE')));
    const config = readConfig({
      NODE_ENV: 'production',
      ...(set as Record<string, string>),
      JWT_SECRET: secret,
      DATABASE_URL: 'postgresql://a@b/c',
    });
    expect(config).toMatchObject({
      redis: { url: 'redis://redis:6379', countersUrl: 'redis://redis-counters:6379' },
      http: { trustedProxies: 1 },
      database: { hasDemoData: false },
      auth: { registration: 'closed' },
    });
  });

  it('contains no secret', () => {
    const secrets = services.flatMap(([, { environment = {} }]) =>
      Object.entries(environment).filter(([name]) => /password|secret|token|key|database_url/i.test(name)),
    );
    expect(secrets.length).toBeGreaterThan(3);
    for (const [name, value] of secrets)
      expect({ name, value }).toEqual({
        name: expect.stringMatching(/_FILE$/),
        value: expect.stringMatching(/^\/run\/auspex\/[\w-]+$/),
      });
  });

  it('mounts only read-only files of the repository and declared volumes', () => {
    for (const service of [...Object.values(compose.services), ...Object.values(replicas.services)]) {
      for (const volume of service.volumes ?? []) {
        const [source = '', , mode] = volume.split(':');
        if (source.startsWith('./'))
          expect({ source, exists: existsSync(path.join(projectDir, source)), mode }).toEqual({
            source,
            exists: true,
            mode: 'ro',
          });
        else expect(Object.keys(compose.volumes)).toContain(source);
      }
    }
  });

  it('exposes only the gateway to other machines, and does not publish PostgreSQL and Redis', () => {
    const open = services.flatMap(([name, { ports = [] }]) =>
      ports.filter((port) => !port.startsWith('127.0.0.1:')).map(() => name),
    );
    expect(open).toEqual(['gateway']);
    expect(compose.networks.data).toEqual({ internal: true });
    for (const name of ['postgres', 'redis', 'redis-counters'])
      expect(compose.services[name]).toMatchObject({ networks: ['data'] });
    expect(compose.services.secrets?.network_mode).toBe('none');
  });

  it('takes host ports from variables with the standard ports as defaults', () => {
    const ports = [...services, ...Object.entries(replicas.services)].flatMap(([name, service]) =>
      (service.ports ?? []).map((port) => `${name} ${port}`),
    );
    expect(ports).toEqual([
      'gateway ${GATEWAY_ADDRESS:-0.0.0.0}:${GATEWAY_PORT:-4000}:4000',
      'prometheus 127.0.0.1:${PROMETHEUS_PORT:-9090}:9090',
      'grafana 127.0.0.1:${GRAFANA_PORT:-3000}:3000',
      'nginx ${GATEWAY_ADDRESS:-0.0.0.0}:${GATEWAY_PORT:-4000}:80',
    ]);
  });

  it('drops capabilities, write access and memory that a service does not need', () => {
    for (const [name, { cap_drop, read_only, deploy }] of [
      ...services,
      ...Object.entries(replicas.services).filter(([other]) => other === 'nginx'),
    ]) {
      expect({ name, cap_drop, read_only, limits: deploy?.resources?.limits }).toEqual({
        name,
        cap_drop: ['ALL'],
        read_only: true,
        limits: { memory: expect.any(String), pids: expect.any(Number) },
      });
    }
  });

  it('restarts each service and waits only for services with a health check', () => {
    const hasHealthCheck = ({ healthcheck, build }: Service): boolean =>
      healthcheck !== undefined || build !== undefined;
    expect(
      services
        .filter(([, service]) => !hasHealthCheck(service))
        .map(([name]) => name)
        .sort(),
    ).toEqual(['collector', 'secrets']);
    expect(services.filter(([, { restart }]) => restart !== 'unless-stopped').map(([name]) => name)).toEqual([
      'secrets',
    ]);
    for (const [, { depends_on = {} }] of services) {
      for (const [name, { condition }] of Object.entries(depends_on)) {
        const expected = name === 'secrets' ? 'service_completed_successfully' : 'service_healthy';
        expect({
          name,
          condition,
          hasHealthCheck: name === 'secrets' || hasHealthCheck(compose.services[name] ?? {}),
        }).toEqual({
          name,
          condition: expected,
          hasHealthCheck: true,
        });
      }
    }
  });

  it('persists nothing in Redis, and evicts the least recently used keys of caches, and no counters', () => {
    expect(compose.services.redis?.command?.join(' ')).toBe(
      'redis-server --maxmemory 256mb --maxmemory-policy allkeys-lru --save  --appendonly no',
    );
    expect(compose.services['redis-counters']?.command?.join(' ')).toBe(
      'redis-server --maxmemory 64mb --maxmemory-policy noeviction --save  --appendonly no',
    );
  });
});

describe('docker-compose.replicas.yml', () => {
  it('publishes nginx in place of the gateway', () => {
    expect(replicas.services.gateway).toMatchObject({ ports: [], deploy: { replicas: 2 } });
    expect(replicas.services.nginx?.ports).toEqual(
      compose.services.gateway?.ports?.map((port) => port.replace(/4000$/, '80')),
    );
    const upstream = read('ops/nginx/auspex.conf')
      .replaceAll('127.0.0.1:4001', 'gateway:4000')
      .replaceAll(/.*127\.0\.0\.1:4002.*\n/g, '');
    expect(upstream.match(/^\s*server [^{]*;$/gm)?.map((line) => line.trim().split(' ')[1])).toEqual(['gateway:4000']);
  });
});

describe('make-secrets.sh', () => {
  let dir: string;
  let tools: string;
  const names = ['database-url', 'gateway-role-password', 'grafana-password', 'jwt-secret', 'postgres-password'];
  const valueOf = (name: string): string => readFileSync(path.join(dir, name), 'utf8');
  const makeSecrets = (): void => {
    const { status, stderr } = spawnSync('sh', [path.join(projectDir, 'ops', 'compose', 'make-secrets.sh'), dir], {
      env: { PATH: `${tools}:${process.env.PATH ?? ''}` },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  };

  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'auspex-secrets-'));
    tools = mkdtempSync(path.join(tmpdir(), 'auspex-tools-'));
    // Only root may run chown; record the calls.
    writeFileSync(path.join(tools, 'chown'), '#!/bin/sh\necho "$1 $(basename "$2")" >>"$(dirname "$0")/given"\n', {
      mode: 0o755,
    });
    makeSecrets();
  });
  afterAll(() => {
    for (const folder of [dir, tools]) rmSync(folder, { recursive: true });
  });

  it('generates secrets that the gateway accepts, each readable by one user', () => {
    expect(readdirSync(dir).sort()).toEqual(names);
    expect(names.map((name) => statSync(path.join(dir, name)).mode & 0o777)).toEqual(names.map(() => 0o600));
    expect(
      readFileSync(path.join(tools, 'given'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(':')[0])
        .sort(),
    ).toEqual(['10001', '10001', '472', '999', '999']);
    const config = readConfig({
      NODE_ENV: 'production',
      JWT_SECRET_FILE: path.join(dir, 'jwt-secret'),
      DATABASE_URL_FILE: path.join(dir, 'database-url'),
    });
    expect(new URL(config.database.url ?? '')).toMatchObject({
      username: 'auspex',
      password: valueOf('gateway-role-password'),
      host: 'postgres:5432',
      pathname: '/auspex',
    });
    expect(new Set(names.map(valueOf)).size).toBe(names.length);
  });

  it('keeps existing secrets', () => {
    const before = names.map(valueOf);
    makeSecrets();
    expect(names.map(valueOf)).toEqual(before);
  });

  it('generates matching secrets after an interrupted start', () => {
    rmSync(path.join(dir, 'gateway-role-password'));
    writeFileSync(path.join(dir, 'draft'), 'half');
    makeSecrets();
    expect(readdirSync(dir).sort()).toEqual(names);
    expect(valueOf('database-url')).toContain(`:${valueOf('gateway-role-password')}@`);
  });
});

describe('the collector', () => {
  it('configures exactly the components of its pipelines', () => {
    const { service, ...parts } = parse(read('ops/collector/config.yml')) as {
      service: { pipelines: Record<string, Record<string, string[]>> };
    } & Record<string, Record<string, unknown>>;
    for (const pipeline of Object.values(service.pipelines)) {
      for (const [kind, named] of Object.entries(pipeline))
        expect(Object.keys(parts[kind] ?? {}).sort()).toEqual([...named].sort());
      // First, so that data is rejected before it uses memory.
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
    services: {
      type: string;
      name: string;
      healthCheckPath?: string;
      preDeployCommand?: string;
      dockerfilePath?: string;
      maxmemoryPolicy?: string;
      maxShutdownDelaySeconds?: number;
      envVars?: EnvVar[];
    }[];
    databases: { name: string; postgresMajorVersion: string }[];
  };
  const web = blueprint.services.find(({ type }) => type === 'web');
  const variables = web?.envVars ?? [];

  it('deploys the gateway, PostgreSQL 17 and Redis', () => {
    expect(blueprint.services.map(({ type }) => type)).toEqual(['web', 'keyvalue', 'keyvalue']);
    expect(blueprint.services.flatMap(({ maxmemoryPolicy = [] }) => maxmemoryPolicy)).toEqual([
      'allkeys-lru',
      'noeviction',
    ]);
    expect(blueprint.databases).toEqual([expect.objectContaining({ postgresMajorVersion: '17' })]);
    expect(web).toMatchObject({ healthCheckPath: '/readyz', dockerfilePath: './Dockerfile' });
    expect(isProgram(web?.preDeployCommand ?? '')).toBe(true);
    expect(web?.maxShutdownDelaySeconds).toBeGreaterThan(readConfig({}).runtime.shutdownSeconds);
  });

  it('sets known variables to valid values or deployed services', () => {
    expect(variables.map(({ key }) => key).filter((name) => !isKnown(name))).toEqual([]);
    const set = Object.fromEntries(variables.flatMap(({ key, value }) => (value === undefined ? [] : [[key, value]])));
    expect(() =>
      readConfig({ NODE_ENV: 'production', ...set, JWT_SECRET: secret, DATABASE_URL: 'postgresql://a@b/c' }),
    ).not.toThrow();
    const named = variables.flatMap(({ fromDatabase, fromService }) =>
      [fromDatabase?.name, fromService?.name].filter((name) => name !== undefined),
    );
    expect(named.sort()).toEqual(
      [
        ...blueprint.databases.map(({ name }) => name),
        ...blueprint.services.filter(({ type }) => type === 'keyvalue').map(({ name }) => name),
      ].sort(),
    );
  });
});

describe('ops/nginx/auspex.conf', () => {
  it('overwrites each forwarded header that the gateway reads', () => {
    const set = Object.fromEntries(
      Array.from(read('ops/nginx/auspex.conf').matchAll(/^ *proxy_set_header (\S+) (.+);$/gm), ([, name, value]) => [
        name,
        value,
      ]),
    );
    expect(set).toMatchObject({
      'X-Forwarded-For': '$remote_addr',
      'X-Forwarded-Proto': '$scheme',
      'X-Forwarded-Host': '$http_host',
      Forwarded: '""',
    });
  });
});

describe('digests of images', () => {
  it('are pinned by Renovate, in every file that names images', () => {
    const { extends: presets, enabledManagers } = JSON.parse(read('.github/renovate.json')) as {
      extends: string[];
      enabledManagers: string[];
    };
    expect(presets).toEqual(expect.arrayContaining(['docker:pinDigests', 'helpers:pinGitHubActionDigests']));
    expect(enabledManagers.sort()).toEqual(['docker-compose', 'dockerfile', 'github-actions']);
  });
});
