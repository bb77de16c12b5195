import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GraphQLObjectType, GraphQLSchema, GraphQLString, type GraphQLFieldConfigMap } from 'graphql';
import { Query, Resolver, type ClassType } from 'type-graphql';
import { createApollo } from '../../src/graphql/server/apollo-server.js';
import { OperationExecutor } from '../../src/graphql/execution/operation-executor.js';
import { PreparedOperations } from '../../src/graphql/prepared-operations/prepared-operations.js';
import { queryLimits } from '../../src/graphql/server/query-limits.js';
import type { Context } from '../../src/graphql/context/context.js';
import type { DomainModule, SchemaExtension } from '../../src/graphql/module.js';
import { allow, isSignedIn } from '../../src/graphql/permissions/rules.js';
import { OperationLog } from '../../src/graphql/server/stages/operation-log.js';
import { OperationStatistics } from '../../src/graphql/server/stages/operation-statistics.js';
import { RejectionCounts } from '../../src/telemetry/rejection-counts.js';
import { ResponseCache } from '../../src/graphql/caching/response-cache.js';
import { domainSchema, LiveSchema } from '../../src/graphql/schema/build-schema.js';
import { createLogger, type Logger } from '../../src/telemetry/logger.js';
import { OperationCost } from '../../src/telemetry/operation-cost.js';
import { codesOf, startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';

const projectDir = path.join(import.meta.dirname, '..', '..');
const silent = createLogger('silent');
const text = (resolve: () => string | Promise<string>) => ({ type: GraphQLString, resolve });

/** Starts a server whose schema the test replaces. */
async function serve(first: GraphQLSchema) {
  const listeners = new Set<(schema: GraphQLSchema) => void>();
  const source = {
    current: first,
    onChange(listener: (schema: GraphQLSchema) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const limits = { depth: 10, aliases: 10, rootFields: 10, fields: 50, directives: 5, cost: 1000, tokens: 1000 };
  const responses = new ResponseCache({ cache: null, isEnabled: false, introspection: {} });
  const operations = new OperationStatistics({ isTrusted: () => false, rejections: new RejectionCounts() });
  const prepared = new PreparedOperations(source);
  const listenersOfOthers = listeners.size;
  const apollo = createApollo({
    schema: source,
    limits,
    isIntrospectionOpen: true,
    stages: [
      queryLimits(limits, true, { outputElements: () => 0, rowMs: () => 0 }),
      new OperationLog(silent),
      operations,
      responses,
    ],
    prepared,
    executor: new OperationExecutor({ hidesSuggestions: false }),
    stringify: responses.stringify,
    operations,
    log: silent,
    drain: {},
  });
  await apollo.start();
  return {
    async execute(query: string): Promise<AnyData> {
      const { body } = await apollo.executeOperation(
        { query },
        {
          contextValue: {
            log: silent,
            viewer: { kind: 'anonymous' },
            cost: new OperationCost(),
            runResponseTasks: (_outcome) => {},
          } as Context,
        },
      );
      if (body.kind !== 'single') throw new Error('The response is incremental.');
      const { data, errors = [] } = JSON.parse(JSON.stringify(body.singleResult)) as typeof body.singleResult;
      return { data, codes: errors.map((error) => error.extensions?.code) };
    },
    swap(schema: GraphQLSchema) {
      source.current = schema;
      for (const listener of listeners) listener(schema);
    },
    async stop() {
      await apollo.stop();
      return listeners.size - listenersOfOthers;
    },
  };
}

const schemaOf = (fields: GraphQLFieldConfigMap<unknown, unknown>) =>
  new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields }) });

describe('a schema that is replaced while serving', () => {
  it('completes operations in flight and executes later ones on the new schema', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const before = schemaOf({
      slow: text(() => held.then(() => 'slow')),
      old: text(() => 'old'),
      both: text(() => 'before'),
    });
    const server = await serve(before);
    expect(await server.execute('{ both }')).toEqual({ data: { both: 'before' }, codes: [] });
    const inFlight = server.execute('{ slow old both }');
    await sleep(5);
    server.swap(schemaOf({ fresh: text(() => 'fresh'), both: text(() => 'after') }));
    expect(await server.execute('{ fresh both }')).toEqual({ data: { fresh: 'fresh', both: 'after' }, codes: [] });
    expect(await server.execute('{ both }')).toEqual({ data: { both: 'after' }, codes: [] });
    expect((await server.execute('{ old }')).codes).toEqual(['GRAPHQL_VALIDATION_FAILED']);
    release();
    expect(await inFlight).toEqual({ data: { slow: 'slow', old: 'old', both: 'before' }, codes: [] });
    expect(await server.stop()).toBe(0);
  });

  it('never mixes two schemas in one response', async () => {
    const schemas = Array.from({ length: 40 }, (_none, index) =>
      schemaOf({ one: text(() => `${index}`), two: text(() => Promise.resolve(`${index}`)) }),
    );
    const server = await serve(schemaOf({ one: text(() => 'first'), two: text(() => 'first') }));
    const pending: AnyData[] = [];
    for (const schema of schemas) {
      pending.push(...Array.from({ length: 5 }, () => server.execute('{ one two }')));
      server.swap(schema);
      await Promise.resolve();
    }
    const settled: AnyData[] = await Promise.all(pending);
    expect(
      settled.filter(({ data, codes }) => codes.length > 0 || data.one !== data.two || data.one === undefined),
    ).toEqual([]);
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
  const domain: DomainModule = {
    name: 'static',
    entities: [],
    resolvers: [resolver],
    permissions: { Query: { always: allow } },
    load: () => ({ resolvers: [] }),
  };

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
    const log = {
      info: (_fields: object, message: string) => logged.push(message),
      error: (_fields: object, message: string) => logged.push(message),
    } as unknown as Logger;
    const schema = new LiveSchema([domain], domainSchema([domain]), [new StaticResolver()], [extension], log);
    return {
      schema,
      logged,
      isFollowed: () => isFollowed,
      fields: () =>
        Object.keys(schema.current.getQueryType()?.getFields() ?? {}).filter(
          (name) => !['node', 'nodes'].includes(name),
        ),
      become: (next: string[]) => {
        names = next;
        change();
      },
    };
  }

  it('combines the fields of domains and extensions, and follows changes', () => {
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

  it('guards the fields of its extensions with their rule', async () => {
    const { schema, become } = live();
    const asAnonymous = async (field: string): Promise<unknown> => {
      const resolve = schema.current.getQueryType()?.getFields()[field]?.resolve;
      try {
        return await resolve?.({}, {}, { viewer: { kind: 'anonymous' } }, {
          fieldName: field,
          parentType: { name: 'Query' },
        } as AnyData);
      } catch (error) {
        return error;
      }
    };
    expect(await asAnonymous('first')).toMatchObject({ code: 'UNAUTHENTICATED' });
    become(['second']);
    expect(await asAnonymous('second')).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await asAnonymous('always')).toBe('always');
  });

  it.each([
    ['a duplicate field name', 'always'],
    ['an invalid field name', 'not a name'],
  ])('stays unchanged if the next schema is invalid because of %s', (_why, name) => {
    const { schema, fields, logged, become } = live();
    const before = schema.current;
    become(['second', name]);
    expect(schema.current).toBe(before);
    expect(logged).toEqual(['schema update failed; keeping current schema']);
    become(['third']);
    expect(fields()).toEqual(['always', 'third']);
  });
});

describe('a gateway whose models change', () => {
  let folder: string;
  let gateway: TestGateway;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'auspex-models-'));
    await Promise.all(
      ['iris', 'car-price'].map((name) =>
        cp(path.join(projectDir, 'model-store', name), path.join(folder, name), { recursive: true }),
      ),
    );
    gateway = await startGateway({ MODEL_STORE: folder, MODEL_STORE_POLL_MS: '50' });
  });
  afterAll(async () => {
    await gateway.close();
    await rm(folder, { recursive: true, force: true });
  });

  const flower = 'predictIris(inputs: [{ petalLength: 1.4, petalWidth: 0.2 }]) { species }';

  /** Adds a copy of iris to the store atomically. */
  async function add(name: string): Promise<void> {
    await cp(path.join(folder, 'iris'), `${folder}-draft`, { recursive: true });
    await rename(`${folder}-draft`, path.join(folder, name));
  }

  it('follows them while serving, and fails no request', async () => {
    let isOver = false;
    let returned = 0;
    const failures: unknown[] = [];
    const executeOn = async (): Promise<void> => {
      while (!isOver) {
        const { errors, data } = await gateway.execute<AnyData>('user', `{ ${flower} me { email } }`);
        if (errors.length > 0 || data.predictIris[0].species !== 'setosa') failures.push(errors);
        returned += 1;
      }
    };
    const workers = [executeOn(), executeOn(), executeOn()];
    const second = `{ ${flower.replace('predictIris', 'predictIrisTwo')} }`;
    const executeSecond = () => gateway.execute<AnyData>('user', second);

    expect(codesOf(await executeSecond())).toEqual(['GRAPHQL_VALIDATION_FAILED']);
    await add('iris-two');
    await waitUntil(async () => (await executeSecond()).errors.length === 0);
    expect((await executeSecond()).data).toEqual({ predictIrisTwo: [{ species: 'setosa' }] });

    await rm(path.join(folder, 'iris-two'), { recursive: true });
    await waitUntil(async () => (await executeSecond()).errors.length > 0);
    expect(codesOf(await executeSecond())).toEqual(['GRAPHQL_VALIDATION_FAILED']);

    isOver = true;
    await Promise.all(workers);
    expect(failures).toEqual([]);
    expect(returned).toBeGreaterThan(50);
  }, 60_000);

  it('keeps its schema if the name of a new model conflicts with another', async () => {
    const schema = '{ __type(name: "Query") { fields { name } } }';
    const before = (await gateway.execute<AnyData>('user', schema)).data;
    await add('iris_');
    const rejections = () =>
      gateway.logs.filter((line) => line.msg === 'model load failed; not served' && line.model === 'iris_');
    await waitUntil(() => rejections().length > 0);
    expect(rejections()[0]?.problems).toEqual([
      'iris_/model.yaml: the models iris and iris_ both become Iris; rename one of the folders',
    ]);
    expect((await gateway.execute<AnyData>('user', schema)).data).toEqual(before);
    expect((await gateway.execute<AnyData>('user', `{ ${flower} }`)).errors).toEqual([]);
  });

  it('does not start with conflicting names if STRICT_MODELS is set, and reports them', async () => {
    await expect(startGateway({ MODEL_STORE: folder, STRICT_MODELS: 'true' })).rejects.toThrow(
      /\n {2}- iris_\/model\.yaml: the models iris and iris_ both become Iris; rename one of the folders$/,
    );
  });
});
