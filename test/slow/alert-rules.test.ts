import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { metricsIn } from '../../ops/check/panels.ts';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { projectDir } from '../support/process.js';
import { promtoolProblems, reasonToSkipPromtool } from '../support/prometheus.js';
import { freePort, reasonToSkipRedis, startRedis, type TestRedis } from '../support/redis.js';

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
const filesIn = (folder: string): string[] =>
  readdirSync(path.join(dir, folder)).map((name) => path.join(dir, folder, name));
const read = (file: string): unknown => parse(readFileSync(file, 'utf8'));

const rules = filesIn('rules').flatMap((file) =>
  (read(file) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules),
);
const alerts = rules.filter((rule) => rule.alert !== undefined);
const cases = filesIn('tests').flatMap((file) =>
  (read(file) as { tests: { alert_rule_test: AlertCase[] }[] }).tests.flatMap((test) => test.alert_rule_test),
);

const skipped = reasonToSkipPromtool();
(skipped === null ? describe : describe.skip)(
  `the rules, checked by promtool${skipped === null ? '' : ` (skipped: ${skipped})`}`,
  () => {
    it('are valid together with the configuration', () => {
      expect(promtoolProblems(['check', 'config', path.join(dir, 'prometheus.yml')])).toBe('');
    });

    it('pass their tests', () => {
      expect(promtoolProblems(['test', 'rules', ...filesIn('tests')])).toBe('');
    }, 60_000);

    it('fail a test that expects an alert too late', () => {
      const wrongTest = path.join(import.meta.dirname, '..', 'fixtures', 'alert-rules', 'too-late.yml');
      expect(promtoolProblems(['test', 'rules', wrongTest])).toContain('alertname: DatabaseDown');
    });
  },
);

describe('alerts', () => {
  const names = alerts.map((rule) => rule.alert ?? '');
  const runbook = readFileSync(path.join(projectDir, 'docs', 'operations.md'), 'utf8');

  it('have unique names', () => {
    expect(names.length).toBeGreaterThan(20);
    expect(names).toEqual([...new Set(names)]);
  });

  it.each(alerts.map((rule) => [rule.alert, rule] as const))(
    '%s has a firing and a silent test case, annotations and a runbook entry',
    (name, rule) => {
      const outcomes = cases
        .filter(({ alertname }) => alertname === name)
        .map(({ exp_alerts }) => (exp_alerts.length > 0 ? 'fires' : 'silent'));
      expect([...new Set(outcomes)].sort()).toEqual(['fires', 'silent']);
      expect(rule.labels?.severity).toMatch(/^(critical|warning|info)$/);
      expect(rule.annotations?.summary).toMatch(/\S/);
      expect(rule.annotations?.description).toMatch(/\S/);
      expect(rule.annotations?.runbook_url).toBe(`docs/operations.md#${name?.toLowerCase() ?? ''}`);
      expect(runbook).toContain(`\n### ${name ?? ''}\n\n`);
    },
  );

  it('match the entries of the runbook', () => {
    const documented = [...runbook.slice(runbook.indexOf('\n## Runbook\n')).matchAll(/\n### (\w+)\n/g)].map(
      ([, name]) => name,
    );
    expect(documented.sort()).toEqual([...names].sort());
  });
});

describe('metrics used in rules', () => {
  let gateway: TestGateway;
  let redis: TestRedis | null = null;
  beforeAll(async () => {
    redis = reasonToSkipRedis() === null ? await startRedis() : null;
    gateway = await startGateway({
      ...(redis ? { REDIS_URL: redis.url } : {}),
      EXCHANGE_RATES_URL: `http://127.0.0.1:${await freePort()}/rates`,
    });
  });
  afterAll(async () => {
    await gateway.close();
    await redis?.stop();
  });

  it('are exposed by a gateway or recorded by a rule', async () => {
    const text = await (await fetch(gateway.metricsUrl ?? '')).text();
    const exposed = new Set(
      [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' || type === 'summary' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
    const recorded = new Set(rules.map((rule) => rule.record));
    const used = [...new Set(rules.flatMap((rule) => metricsIn(rule.expr)))];
    expect(used.length).toBeGreaterThan(30);
    expect(used.filter((name) => !exposed.has(name) && !recorded.has(name))).toEqual([]);
  });
});
