import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { reasonOf, UserError } from '../../bench/load/options.ts';
import { freePort } from '../../test/support/redis.ts';

/** A time range in milliseconds since the epoch, and its resolution. */
export interface Period {
  from: number;
  to: number;
  stepSeconds: number;
}

const rulesDir = path.join(import.meta.dirname, '..', 'prometheus');
const startTimeoutMs = 30_000;
const requestTimeoutMs = 30_000;

/** A client of Prometheus' HTTP API. */
export class Prometheus {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** Counts the series of an expression that have a value other than NaN within the period. */
  async seriesWithData(expr: string, { from, to, stepSeconds }: Period): Promise<number> {
    const { result } = await this.#get<{ result: { values: [number, string][] }[] }>('query_range', {
      query: expr,
      start: String(from / 1000),
      end: String(to / 1000),
      step: String(stepSeconds),
    });
    return result.filter(({ values }) => values.some(([, value]) => value !== 'NaN')).length;
  }

  async metricNames(): Promise<Set<string>> {
    return new Set(await this.#get<string[]>('label/__name__/values'));
  }

  /** Rules whose last evaluation failed, with the reason. */
  async failedRules(): Promise<string[]> {
    const { groups } = await this.#get<{ groups: { rules: { name: string; health: string; lastError?: string }[] }[] }>(
      'rules',
    );
    return groups
      .flatMap(({ rules }) => rules)
      .flatMap(({ name, health, lastError }) => (health === 'err' ? [`${name}: ${lastError ?? ''}`] : []));
  }

  async isReady(): Promise<boolean> {
    const response = await fetch(new URL('/-/ready', this.url)).catch(() => null);
    return response?.status === 200;
  }

  async #get<Data>(endpoint: string, form: Record<string, string> = {}): Promise<Data> {
    const address = new URL(`/api/v1/${endpoint}?${new URLSearchParams(form).toString()}`, this.url);
    const response = await fetch(address, { signal: AbortSignal.timeout(requestTimeoutMs) }).catch((error: unknown) => {
      throw new UserError(`Cannot reach Prometheus at ${this.url} (${reasonOf(error)}).`);
    });
    const body = (await response.json()) as { status: string; data: Data; error?: string };
    if (body.status !== 'success')
      throw new Error(`Prometheus rejected ${form.query ?? endpoint}: ${body.error ?? response.status}`);
    return body.data;
  }
}

/**
 * Starts the installed Prometheus with the configuration and rules of ops/prometheus and a scrape interval of one second.
 * @param target host and port of the gateway's metrics
 * @throws Error if Prometheus is not ready within 30 seconds
 */
export async function startPrometheus(target: string, resources: AsyncDisposableStack): Promise<Prometheus> {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-prometheus-'));
  resources.defer(() => rm(dir, { recursive: true, force: true }));
  const address = `127.0.0.1:${await freePort()}`;
  const config = path.join(dir, 'prometheus.yml');
  await writeFile(config, JSON.stringify(await configurationWith({ gateway: target, prometheus: address })));

  const child = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${path.join(dir, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
    ],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'exit').catch((error: unknown) => (output += String(error)));
  resources.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });

  const prometheus = new Prometheus(`http://${address}`);
  const deadline = Date.now() + startTimeoutMs;
  while (!(await prometheus.isReady())) {
    if (child.pid === undefined || child.exitCode !== null || Date.now() > deadline)
      throw new Error(`Prometheus did not become ready. ${output}`);
    await sleep(100);
  }
  return prometheus;
}

/** The configuration of ops/prometheus with other targets and intervals, as JSON (which is valid YAML). */
async function configurationWith(targets: Readonly<Record<string, string>>): Promise<object> {
  const original = parse(await readFile(path.join(rulesDir, 'prometheus.yml'), 'utf8')) as {
    rule_files: string[];
    scrape_configs: { job_name: string }[];
  };
  return {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: original.rule_files.map((file) => path.join(rulesDir, file)),
    scrape_configs: original.scrape_configs.map(({ job_name }) => ({
      job_name,
      static_configs: [{ targets: [targets[job_name]] }],
    })),
  };
}
