import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { metricsIn } from '../../ops/check/panels.ts';
import { startGateway, type TestGateway } from '../kit/gateway.js';
import { projectDir } from '../kit/process.js';
import { promtoolProblems, reasonToSkipPromtool } from '../kit/promtool.js';
import { freePort, reasonToSkipRedis, startRedis, type TestRedis } from '../kit/redis.js';

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: { severity: string };
  annotations?: { summary: string; description: string; runbook_url: string };
}

interface AlertCase {
  alertname: string;
  exp_alerts: object[];
}

const dir = path.join(projectDir, 'ops', 'prometheus');
const filesIn = (folder: string): string[] => readdirSync(path.join(dir, folder)).map((name) => path.join(dir, folder, name));
const read = (file: string): unknown => parse(readFileSync(file, 'utf8'));

const rules = filesIn('rules').flatMap((file) => (read(file) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules));
const alerts = rules.filter((rule) => rule.alert !== undefined);
const cases = filesIn('tests').flatMap((file) => (read(file) as { tests: { alert_rule_test: AlertCase[] }[] }).tests.flatMap((test) => test.alert_rule_test));

const skipped = reasonToSkipPromtool();
(skipped === null ? describe : describe.skip)(`the rules, by Prometheus' own tool${skipped === null ? '' : ` (skipped: ${skipped})`}`, () => {
  it('are read with the configuration', () => {
    expect(promtoolProblems(['check', 'config', path.join(dir, 'prometheus.yml')])).toBe('');
  });

  it('fire when they should, and stay silent when they should', () => {
    expect(promtoolProblems(['test', 'rules', ...filesIn('tests')])).toBe('');
  }, 60_000);

  it('would be found out where one of them fired too late', () => {
    const wrong = path.join(import.meta.dirname, '..', 'fixtures', 'alert-rules', 'too-late.yml');
    expect(promtoolProblems(['test', 'rules', wrong])).toContain('alertname: DatabaseDown');
  });
});

describe('each alert', () => {
  const names = alerts.map((rule) => rule.alert ?? '');
  const runbook = readFileSync(path.join(projectDir, 'docs', 'operations.md'), 'utf8');

  it('has a name of its own', () => {
    expect(names.length).toBeGreaterThan(20);
    expect(names).toEqual([...new Set(names)]);
  });

  it.each(alerts.map((rule) => [rule.alert, rule] as const))('%s has a case in which it fires, one in which it does not, words, and a place in the runbook', (name, rule) => {
    const own = cases.filter((one) => one.alertname === name).map((one) => (one.exp_alerts.length > 0 ? 'fires' : 'is silent'));
    expect([...new Set(own)].sort()).toEqual(['fires', 'is silent']);
    expect(rule.labels?.severity).toMatch(/^(critical|warning|info)$/);
    expect(rule.annotations?.summary).toMatch(/\S/);
    expect(rule.annotations?.description).toMatch(/\S/);
    expect(rule.annotations?.runbook_url).toBe(`docs/operations.md#${name?.toLowerCase() ?? ''}`);
    expect(runbook).toContain(`\n### ${name ?? ''}\n\n`);
  });

  it('is one of those that the runbook tells of, which tells of no other', () => {
    const told = [...runbook.slice(runbook.indexOf('\n## Runbook\n')).matchAll(/\n### (\w+)\n/g)].map(([, name]) => name);
    expect(told.sort()).toEqual([...names].sort());
  });
});

describe('the metrics that rules name', () => {
  let gateway: TestGateway;
  let redis: TestRedis | null = null;
  beforeAll(async () => {
    redis = reasonToSkipRedis() === null ? await startRedis() : null;
    gateway = await startGateway({ ...(redis ? { REDIS_URL: redis.url } : {}), EXCHANGE_RATES_URL: `http://127.0.0.1:${await freePort()}/rates` });
  });
  afterAll(async () => {
    await gateway.close();
    await redis?.stop();
  });

  it('are told by a gateway, or recorded by a rule', async () => {
    const text = await (await fetch(gateway.metricsUrl ?? '')).text();
    const told = new Set([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) => (type === 'histogram' || type === 'summary' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name])));
    const recorded = new Set(rules.map((rule) => rule.record));
    const named = [...new Set(rules.flatMap((rule) => metricsIn(rule.expr)))];
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((name) => !told.has(name) && !recorded.has(name))).toEqual([]);
  });
});
