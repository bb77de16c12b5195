import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getNamedType, isRequiredArgument } from 'graphql';
import { parse } from 'yaml';
import { callerNames, openCompany, tableContents, type CallerName, type Company } from '../support/access/company.js';
import { deniedCalls, foreignCalls, ownedPrefixes, type ForeignCall } from '../support/access/foreign.js';
import { measureFields, measureRoots, startOf, type Access, type Row } from '../support/access/measure.js';
import { document, nodeTypes, rootFields, routes } from '../support/access/schema.js';
import type { AnyData } from '../support/gateway.js';

interface AccessRule {
  rule: string;
  access: Partial<Record<CallerName, Access>>;
  fields: Record<string, string[]>;
}
const rules = parse(readFileSync(new URL('../../schema/access.yaml', import.meta.url), 'utf8')) as AccessRule[];

/** Types without an object in these tests: model versions with a canary or a shadow, and unusual inputs. Their fields follow the fields that lead to them. */
const withoutObjects = ['ModelCanary', 'ModelShadow', 'ModelShadowOutput', 'PredictionWarning'];

let company: Company;
beforeAll(async () => {
  company = await openCompany();
}, 60_000);
afterAll(() => (company as Company | undefined)?.gateway.close());

const written = (access: Partial<Record<CallerName, Access>>): string =>
  callerNames
    .flatMap((name) => (access[name] === undefined || access[name] === 'none' ? [] : [`${name}: ${access[name]}`]))
    .join(', ') || 'none';

/** What to change in schema/access.yaml so that it has the measured access. */
function advice(measured: ReadonlyMap<string, Row>): string[] {
  const listed = new Map<string, string>(
    rules.flatMap(({ access, fields }) =>
      Object.entries(fields).flatMap(([type, names]) =>
        names.map((name) => [`${type}.${name}`, written(access)] as const),
      ),
    ),
  );
  const missing = Map.groupBy(
    [...measured].filter(([name]) => !listed.has(name)),
    ([name, row]) => `${name.split('.')[0] ?? ''}|${written(row)}`,
  );
  const added = [...missing].map(([key, fields]) => {
    const [type = '', access = ''] = key.split('|');
    const rule = rules.find((one) => written(one.access) === access)?.rule ?? 'a new rule';
    const names = fields.map(([name]) => name.split('.')[1]).join(', ');
    return `Add to schema/access.yaml, if this is intended, under "${rule}" (${access}), then run npm run docs: ${type}: [${names}]`;
  });
  const changed = [...measured].flatMap(([name, row]) => {
    const expected = listed.get(name) ?? written(row);
    return expected === written(row)
      ? []
      : [`${name} has the access (${written(row)}), and schema/access.yaml says (${expected}).`];
  });
  return [...added, ...changed];
}

const listedNames = (isRoot: boolean): string[] =>
  rules
    .flatMap(({ fields }) => Object.entries(fields))
    .filter(([type]) => ['Query', 'Mutation', 'Subscription'].includes(type) === isRoot)
    .flatMap(([type, names]) => names.map((name) => `${type}.${name}`));

/** The codes of the response; `accepted` if it has data or no error. */
async function outcomeOf({ caller, query, variables }: ForeignCall): Promise<string> {
  const { data, errors } = await company.gateway.execute<AnyData>(caller, query, variables);
  const hasData = Object.values(data ?? {}).some((value) => value !== null);
  return errors.length === 0 || hasData ? 'accepted' : errors.map(({ extensions: { code } }) => code).join();
}

async function inBatches<Result>(
  calls: readonly ForeignCall[],
  run: (call: ForeignCall) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < calls.length; at += 8) results.push(...(await Promise.all(calls.slice(at, at + 8).map(run))));
  return results;
}

describe('IDs of objects of others', () => {
  it('change nothing in any argument of any mutation, by callers who own nothing', async () => {
    const calls = foreignCalls(company).filter(({ operation }) => operation === 'mutation');
    const before = await tableContents(company.gateway);
    const outcomes = await inBatches(calls, async (call) => ({ call, outcome: await outcomeOf(call) }));
    expect(await tableContents(company.gateway)).toEqual(before);
    const rejections = ['NOT_FOUND', 'FORBIDDEN', 'UNAUTHENTICATED', 'BAD_USER_INPUT'];
    const name = ({ call, outcome }: (typeof outcomes)[number]) => `${call.name} by ${call.callerName}: ${outcome}`;
    expect(outcomes.filter(({ outcome }) => !rejections.includes(outcome)).map(name)).toEqual([]);
    // An ID of another type is BAD_USER_INPUT: with one of the right type each mutation has to be rejected for another reason.
    const reasons = new Map<string, Set<string>>();
    for (const { call, outcome } of outcomes) {
      const key = `${call.name} by ${call.callerName}`;
      reasons.set(key, (reasons.get(key) ?? new Set()).add(outcome));
    }
    expect([...reasons].filter(([, codes]) => [...codes].every((code) => code === 'BAD_USER_INPUT'))).toEqual([]);
  }, 60_000);

  it('reveal no account, credential or prediction in any argument of any query', async () => {
    const calls = foreignCalls(company).filter(({ operation }) => operation === 'query');
    const prefixes = ownedPrefixes(company);
    expect(prefixes.filter((prefix) => prefix.length > 3)).toEqual(prefixes);
    const found = await inBatches(calls, async ({ name, callerName, caller, query, variables }) => {
      const { data, errors } = await company.gateway.execute<AnyData>(caller, query, variables);
      expect(errors.map(({ extensions: { code } }) => code)).not.toContain('GRAPHQL_VALIDATION_FAILED');
      const text = JSON.stringify(data ?? null);
      return prefixes.some((prefix) => text.includes(`"${prefix}`)) ? [`${name} by ${callerName}: ${text}`] : [];
    });
    expect(found.flat()).toEqual([]);
  }, 60_000);

  it('are given to every argument that takes one', () => {
    const covered = new Set(foreignCalls(company).map(({ name }) => name));
    const withIds = rootFields.filter(
      ({ operation, field: { args } }) =>
        operation !== 'subscription' && args.some(({ type }) => getNamedType(type).name === 'ID'),
    );
    expect(withIds.length).toBeGreaterThan(10);
    expect(withIds.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual([]);
  });
});

describe('a mutation without access', () => {
  it('changes nothing, with valid arguments and the IDs of existing objects', async () => {
    const access = new Map<string, Partial<Record<CallerName, Access>>>(
      rules.flatMap((rule) => (rule.fields.Mutation ?? []).map((name) => [`Mutation.${name}`, rule.access] as const)),
    );
    const calls = deniedCalls(
      company,
      (field, caller) => access.has(field) && access.get(field)?.[caller] === undefined,
    );
    expect(calls.length).toBeGreaterThan(80);
    const before = await tableContents(company.gateway);
    const outcomes = await inBatches(
      calls,
      async (call) => `${call.name} by ${call.callerName}: ${await outcomeOf(call)}`,
    );
    expect(outcomes.filter((outcome) => !/: (?:FORBIDDEN|UNAUTHENTICATED)$/.test(outcome))).toEqual([]);
    expect(await tableContents(company.gateway)).toEqual(before);
  }, 60_000);
});

describe('a field that leads to objects with IDs', () => {
  const nodes = new Set(nodeTypes.map(({ name }) => name));
  const references = [...routes.values()].flatMap((route) =>
    Object.values(route.type.getFields())
      .filter((field) => nodes.has(getNamedType(field.type).name) && !field.args.some(isRequiredArgument))
      .map((field) => ({ name: `${route.type.name}.${field.name}`, route, field })),
  );

  it('returns none that its ID hides from the caller, such as a user', async () => {
    expect(references.filter(({ field }) => getNamedType(field.type).name === 'User').length).toBeGreaterThan(3);
    const leaks: string[] = [];
    for (const { name, route, field } of references) {
      await Promise.all(
        callerNames.map(async (caller) => {
          const start = startOf(company, route);
          const inner = route.path.reduceRight((text, step) => `${step} { ${text} }`, `${field.name} { id }`);
          const query = document('query', start.declared, `start: ${start.text} { __typename ${start.spread(inner)} }`);
          const { data } = await company.gateway.execute<AnyData>(company.callers[caller], query, start.variables);
          const ids = [...new Set(JSON.stringify(data ?? null).match(/(?<="id":")[^"]+/g))].slice(0, 100);
          if (ids.length === 0) return;
          const text = 'query ($ids: [ID!]!) { me { id } nodes(ids: $ids) { id } }';
          const read = await company.gateway.execute<AnyData>(company.callers[caller], text, { ids });
          const isOfOthers = (id: string): boolean =>
            id.startsWith('user_') && caller !== 'ADMIN' && id !== read.data?.me.id;
          const hidden = ids.filter((id, at) => (read.data?.nodes[at] ?? null) === null || isOfOthers(id));
          if (hidden.length > 0) leaks.push(`${name} shows ${hidden[0] ?? ''} to ${caller}`);
        }),
      );
    }
    expect(leaks).toEqual([]);
  }, 60_000);
});

describe('schema/access.yaml', () => {
  it('has the access of every field of objects', async () => {
    const { rows, unreached } = await measureFields(company);
    expect(advice(rows)).toEqual([]);
    expect([...rows.keys()].sort()).toEqual(listedNames(false).sort());
    expect([...new Set(unreached.map((name) => name.split('.')[0]))].sort()).toEqual(withoutObjects);
  }, 240_000);

  // Last: a permitted call may end a session.
  it('has the access of every root field', async () => {
    const rows = await measureRoots(company);
    expect(advice(rows)).toEqual([]);
    expect([...rows.keys()].sort()).toEqual(listedNames(true).sort());
    expect(rows.size).toBe(rootFields.length);
  }, 60_000);
});
