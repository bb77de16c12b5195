import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GraphQLObjectType, GraphQLSchema, GraphQLString, type GraphQLFieldConfigMap } from 'graphql';
import { Query, Resolver, type ClassType } from 'type-graphql';
import { createApollo } from '../../src/graphql/apollo.js';
import type { Context } from '../../src/graphql/context.js';
import type { Domain, SchemaExtension } from '../../src/graphql/domain.js';
import { allow, isSignedIn } from '../../src/graphql/permissions.js';
import { OperationStatistics } from '../../src/graphql/operation-statistics.js';
import { Refusals } from '../../src/graphql/refusals.js';
import { ResponseCache } from '../../src/graphql/response-cache.js';
import { LiveSchema } from '../../src/graphql/schema.js';
import { createLogger, type Logger } from '../../src/shared/logger.js';
import { Work } from '../../src/shared/work.js';
import { codesOf, startGateway, type Any, type TestGateway } from '../kit/gateway.js';

const projectDir = path.join(import.meta.dirname, '..', '..');
const silent = createLogger('silent');
const text = (resolve: () => string | Promise<string>) => ({ type: GraphQLString, resolve });

/** A server of a schema that the test exchanges. */
async function serve(executor: 'jit' | 'graphql-js', first: GraphQLSchema) {
  const listeners = new Set<(schema: GraphQLSchema) => void>();
  const source = {
    current: first,
    onChange(listener: (schema: GraphQLSchema) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const limits = { depth: 10, aliases: 10, rootFields: 10, cost: 1000, tokens: 1000 };
  const apollo = createApollo({ schema: source, executor, limits, isIntrospectionOpen: true, operations: new OperationStatistics({ isTrusted: () => false, refusals: new Refusals() }), responses: new ResponseCache({ cache: null, introspection: {} }), hasLandingPage: false, log: silent, drain: {} });
  await apollo.start();
  return {
    async ask(query: string): Promise<Any> {
      const { body } = await apollo.executeOperation({ query }, { contextValue: { log: silent, viewer: { kind: 'stranger' }, work: new Work(), runTasks: () => {} } as Context });
      if (body.kind !== 'single') throw new Error('The answer came in parts.');
      const { data, errors = [] } = body.singleResult;
      return { data: { ...data }, codes: errors.map((error) => error.extensions?.code) };
    },
    swap(schema: GraphQLSchema) {
      source.current = schema;
      for (const listener of listeners) listener(schema);
    },
    async stop() {
      await apollo.stop();
      return listeners.size;
    },
  };
}

const schemaOf = (fields: GraphQLFieldConfigMap<unknown, unknown>) => new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields }) });

describe.each(['jit', 'graphql-js'] as const)('a schema exchanged under %s', (executor) => {
  it('lets an operation end on the schema that it began on, and asks the new one from then on', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const before = schemaOf({ slow: text(() => held.then(() => 'slow')), old: text(() => 'old'), both: text(() => 'before') });
    const server = await serve(executor, before);
    expect(await server.ask('{ both }')).toEqual({ data: { both: 'before' }, codes: [] });
    const underWay = server.ask('{ slow old both }');
    await sleep(5);
    server.swap(schemaOf({ fresh: text(() => 'fresh'), both: text(() => 'after') }));
    expect(await server.ask('{ fresh both }')).toEqual({ data: { fresh: 'fresh', both: 'after' }, codes: [] });
    expect(await server.ask('{ both }')).toEqual({ data: { both: 'after' }, codes: [] });
    expect((await server.ask('{ old }')).codes).toEqual(['GRAPHQL_VALIDATION_FAILED']);
    release();
    expect(await underWay).toEqual({ data: { slow: 'slow', old: 'old', both: 'before' }, codes: [] });
    expect(await server.stop()).toBe(0);
  });

  it('never mixes two schemas in one answer, however often they change', async () => {
    const schemas = Array.from({ length: 40 }, (_none, index) => schemaOf({ one: text(() => `${index}`), two: text(() => Promise.resolve(`${index}`)) }));
    const server = await serve(executor, schemaOf({ one: text(() => 'first'), two: text(() => 'first') }));
    const answers: Any[] = [];
    for (const schema of schemas) {
      answers.push(...Array.from({ length: 5 }, () => server.ask('{ one two }')));
      server.swap(schema);
      await Promise.resolve();
    }
    const settled: Any[] = await Promise.all(answers);
    expect(settled.filter(({ data, codes }) => codes.length > 0 || data.one !== data.two || data.one === undefined)).toEqual([]);
    expect(new Set(settled.map(({ data }) => data.one as string)).size).toBeGreaterThan(20);
    await server.stop();
  });
});

describe('a live schema', () => {
  @Resolver()
  class StaticResolver {
    @Query(() => String)
    always(): string {
      return 'always';
    }
  }
  const resolver: ClassType = StaticResolver;
  const domain: Domain = { name: 'static', entities: [], resolvers: [resolver], permissions: { Query: { always: allow } }, open: () => ({ resolvers: [] }) };

  function live() {
    let names = ['first'];
    let change = (): void => undefined;
    let isFollowed = true;
    const logged: string[] = [];
    const extension: SchemaExtension = {
      queries: () => Object.fromEntries(names.map((name) => [name, text(() => name)])),
      rule: isSignedIn,
      onChange(listener) {
        change = listener;
        return () => (isFollowed = false);
      },
    };
    const log = { info: (_fields: object, message: string) => logged.push(message), error: (_fields: object, message: string) => logged.push(message) } as unknown as Logger;
    const schema = new LiveSchema([domain], [new StaticResolver()], [extension], log);
    return {
      schema,
      logged,
      isFollowed: () => isFollowed,
      fields: () => Object.keys(schema.current.getQueryType()?.getFields() ?? {}).filter((name) => !['node', 'nodes'].includes(name)),
      become: (next: string[]) => {
        names = next;
        change();
      },
    };
  }

  it('has the fields of its extensions beside those of the domains, and follows them', () => {
    const { schema, fields, become, isFollowed } = live();
    const seen: GraphQLSchema[] = [];
    const stop = schema.onChange((next) => {
      seen.push(next);
    });
    expect(fields()).toEqual(['always', 'first']);
    become(['second', 'third']);
    expect(fields()).toEqual(['always', 'second', 'third']);
    expect(seen).toEqual([schema.current]);
    stop();
    become([]);
    expect(fields()).toEqual(['always']);
    expect(seen).toHaveLength(1);
    schema.close();
    expect(isFollowed()).toBe(false);
  });

  it('guards the fields of its extensions by their rule', async () => {
    const { schema, become } = live();
    const asStranger = async (field: string): Promise<unknown> => {
      const resolve = schema.current.getQueryType()?.getFields()[field]?.resolve;
      try {
        return await resolve?.({}, {}, { viewer: { kind: 'stranger' } }, { fieldName: field, parentType: { name: 'Query' } } as Any);
      } catch (error) {
        return error;
      }
    };
    expect(await asStranger('first')).toMatchObject({ code: 'UNAUTHENTICATED' });
    become(['second']);
    expect(await asStranger('second')).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await asStranger('always')).toBe('always');
  });

  it.each([
    ['a name that is there already', 'always'],
    ['a name that GraphQL does not take', 'not a name'],
  ])('stays as it is where the next one cannot be made for %s, and goes on from there', (_why, name) => {
    const { schema, fields, logged, become } = live();
    const before = schema.current;
    become(['second', name]);
    expect(schema.current).toBe(before);
    expect(logged).toEqual(['the schema cannot follow a change; the one before is served']);
    become(['third']);
    expect(fields()).toEqual(['always', 'third']);
  });
});

describe('a gateway whose models change', () => {
  let folder: string;
  let gateway: TestGateway;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'auspex-models-'));
    await Promise.all(['iris', 'car-price'].map((name) => cp(path.join(projectDir, 'model-store', name), path.join(folder, name), { recursive: true })));
    gateway = await startGateway({ MODEL_STORE: folder, MODEL_STORE_POLL_MS: '50' });
  });
  afterAll(async () => {
    await gateway.close();
    await rm(folder, { recursive: true, force: true });
  });

  const flower = 'predictIris(inputs: [{ petalLength: 1.4, petalWidth: 0.2 }]) { species }';

  async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 15_000;
    while (!(await isSo())) {
      if (Date.now() > deadline) throw new Error('It did not come to pass within 15 s.');
      await sleep(25);
    }
  }

  /** Puts a copy of iris into the store, whole at once. */
  async function add(name: string): Promise<void> {
    await cp(path.join(folder, 'iris'), `${folder}-draft`, { recursive: true });
    await rename(`${folder}-draft`, path.join(folder, name));
  }

  it('follows them while it answers, and fails no request', async () => {
    let isOver = false;
    let answered = 0;
    const failures: unknown[] = [];
    const askOn = async (): Promise<void> => {
      while (!isOver) {
        const { errors, data } = await gateway.ask<Any>('user', `{ ${flower} me { email } }`);
        if (errors.length > 0 || data.predictIris[0].species !== 'setosa') failures.push(errors);
        answered += 1;
      }
    };
    const workers = [askOn(), askOn(), askOn()];
    const second = `{ ${flower.replace('predictIris', 'predictIrisTwo')} }`;
    const askSecond = () => gateway.ask<Any>('user', second);

    expect(codesOf(await askSecond())).toEqual(['GRAPHQL_VALIDATION_FAILED']);
    await add('iris-two');
    await until(async () => (await askSecond()).errors.length === 0);
    expect((await askSecond()).data).toEqual({ predictIrisTwo: [{ species: 'setosa' }] });

    await rm(path.join(folder, 'iris-two'), { recursive: true });
    await until(async () => (await askSecond()).errors.length > 0);
    expect(codesOf(await askSecond())).toEqual(['GRAPHQL_VALIDATION_FAILED']);

    isOver = true;
    await Promise.all(workers);
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(50);
  }, 60_000);

  it('leaves what serves as it is where a new folder’s names meet those of another', async () => {
    const schema = '{ __type(name: "Query") { fields { name } } }';
    const before = (await gateway.ask<Any>('user', schema)).data;
    await add('iris_');
    const refusals = () => gateway.logs.filter((line) => line.msg === 'a changed model was not taken up; what serves goes on' && line.model === 'iris_');
    await until(() => refusals().length > 0);
    expect(refusals()[0]?.problems).toEqual([
      'iris_/model.yaml: the models iris and iris_ both become Iris; rename one of the folders',
    ]);
    expect((await gateway.ask<Any>('user', schema)).data).toEqual(before);
    expect((await gateway.ask<Any>('user', `{ ${flower} }`)).errors).toEqual([]);
  });

  it('does not start with names that meet, and says which', async () => {
    await expect(startGateway({ MODEL_STORE: folder })).rejects.toThrow(/\n {2}- iris_\/model\.yaml: the models iris and iris_ both become Iris; rename one of the folders$/);
  });
});
