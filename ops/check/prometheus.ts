import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { freePort } from '../../test/kit/redis.ts';

/** A stretch of time, in milliseconds since 1970, and how close together it is looked at. */
export interface Period {
  from: number;
  to: number;
  stepSeconds: number;
}

const rulesDir = path.join(import.meta.dirname, '..', 'prometheus');
const startTimeoutMs = 30_000;
const answerTimeoutMs = 30_000;

/** A Prometheus, by its HTTP API. */
export class Prometheus {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** How many series an expression gives that have a number at some moment of the period; NaN, which is 0 / 0, is none. */
  async seriesWithData(expr: string, { from, to, stepSeconds }: Period): Promise<number> {
    const { result } = await this.#ask<{ result: { values: [number, string][] }[] }>('query_range', {
      query: expr,
      start: String(from / 1000),
      end: String(to / 1000),
      step: String(stepSeconds),
    });
    return result.filter(({ values }) => values.some(([, value]) => value !== 'NaN')).length;
  }

  async metricNames(): Promise<Set<string>> {
    return new Set(await this.#ask<string[]>('label/__name__/values'));
  }

  /** The rules whose last evaluation failed, with the reason. */
  async faultyRules(): Promise<string[]> {
    const { groups } = await this.#ask<{ groups: { rules: { name: string; health: string; lastError?: string }[] }[] }>('rules');
    return groups.flatMap(({ rules }) => rules).flatMap(({ name, health, lastError }) => (health === 'err' ? [`${name}: ${lastError ?? ''}`] : []));
  }

  async isReady(): Promise<boolean> {
    const response = await fetch(new URL('/-/ready', this.url)).catch(() => null);
    return response?.status === 200;
  }

  async #ask<Data>(endpoint: string, form: Record<string, string> = {}): Promise<Data> {
    const address = new URL(`/api/v1/${endpoint}?${new URLSearchParams(form).toString()}`, this.url);
    const response = await fetch(address, { signal: AbortSignal.timeout(answerTimeoutMs) });
    const answer = (await response.json()) as { status: string; data: Data; error?: string };
    if (answer.status !== 'success') throw new Error(`Prometheus does not take ${form.query ?? endpoint}: ${answer.error ?? response.status}`);
    return answer.data;
  }
}

/**
 * Starts the Prometheus that is installed here, with the configuration and the rules of ops/prometheus, but looking every second.
 * @param target host and port of the gateway's metrics
 */
export async function startPrometheus(target: string, opened: AsyncDisposableStack): Promise<Prometheus> {
  const dir = await mkdtemp(path.join(tmpdir(), 'auspex-prometheus-'));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const address = `127.0.0.1:${await freePort()}`;
  const config = path.join(dir, 'prometheus.yml');
  await writeFile(config, JSON.stringify(await configurationFor({ gateway: target, prometheus: address })));

  const child = spawn('prometheus', [`--config.file=${config}`, `--storage.tsdb.path=${path.join(dir, 'data')}`, `--web.listen-address=${address}`, '--log.level=warn'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'exit').catch((error: unknown) => (said += String(error)));
  opened.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });

  const prometheus = new Prometheus(`http://${address}`);
  const deadline = Date.now() + startTimeoutMs;
  while (!(await prometheus.isReady())) {
    if (child.pid === undefined || child.exitCode !== null || Date.now() > deadline) throw new Error(`Prometheus did not get ready. ${said}`);
    await sleep(100);
  }
  return prometheus;
}

/** The configuration as operators have it, in which only addresses and times are others. YAML takes JSON as well. */
async function configurationFor(targets: Readonly<Record<string, string>>): Promise<object> {
  const operators = parse(await readFile(path.join(rulesDir, 'prometheus.yml'), 'utf8')) as { rule_files: string[]; scrape_configs: { job_name: string }[] };
  return {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: operators.rule_files.map((file) => path.join(rulesDir, file)),
    scrape_configs: operators.scrape_configs.map(({ job_name }) => ({ job_name, static_configs: [{ targets: [targets[job_name]] }] })),
  };
}
