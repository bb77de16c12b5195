import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import {
  GraphQLInt,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  type GraphQLFieldConfigMap,
} from 'graphql';
import { Role, type Viewer } from '../../src/auth/viewer.js';
import type { Context, ContextFactory } from '../../src/graphql/context/context.js';
import { OperationExecutor } from '../../src/graphql/execution/operation-executor.js';
import { guardSchema } from '../../src/graphql/permissions/guard-schema.js';
import { isSignedIn, permit, type Permissions } from '../../src/graphql/permissions/rules.js';
import { RejectionCounts } from '../../src/telemetry/rejection-counts.js';
import { StreamError, type Stream } from '../../src/graphql/subscriptions/stream.js';
import { SubscriptionServer, type StreamCaller } from '../../src/graphql/subscriptions/subscription-server.js';
import { Forbidden, Unauthenticated } from '../../src/errors/app-error.js';
import { EventQueue } from '../../src/events/event-queue.js';
import { createLogger } from '../../src/telemetry/logger.js';
import type { AnyData } from '../support/gateway.js';

const user: Viewer = { kind: 'session', userId: 'u', role: Role.USER, employeeId: null, credentialId: 's', scopes: [] };
const caller: StreamCaller = {
  viewer: user,
  client: { name: 'web', version: '1' },
  requestId: 'r',
  address: '',
  transport: 'sse',
};
const rules: Permissions = { Query: { nothing: isSignedIn }, Subscription: { ticks: isSignedIn } };

/** Serves subscriptions for a schema with one field, whose source and resolver the test controls. */
function serve({
  rule = isSignedIn,
  resolve,
}: {
  rule?: typeof isSignedIn;
  resolve?: (tick: number, context: Context) => unknown;
} = {}) {
  const sources: EventQueue<number>[] = [];
  const contexts: { signal: AbortSignal }[] = [];
  const reported: string[] = [];
  const schemaWith = (more: GraphQLFieldConfigMap<number, Context> = {}): GraphQLSchema =>
    guardSchema(
      new GraphQLSchema({
        query: new GraphQLObjectType({ name: 'Query', fields: { nothing: { type: GraphQLInt } } }),
        subscription: new GraphQLObjectType<number, Context>({
          name: 'Subscription',
          fields: {
            ticks: {
              type: new GraphQLObjectType<number, Context>({
                name: 'Tick',
                fields: {
                  number: {
                    type: GraphQLInt,
                    resolve: (tick, _args, context) => (resolve ? resolve(tick, context) : tick),
                  },
                  ...more,
                },
              }),
              args: { of: { type: new GraphQLNonNull(GraphQLString), defaultValue: 'all' } },
              subscribe: () => {
                const source = new EventQueue<number>({ maxBuffered: 5 });
                sources.push(source);
                return source;
              },
              resolve: (tick) => tick,
            },
          },
        }),
      }),
      [{ ...rules, Subscription: { ticks: rule } }],
    );
  const source = { current: schemaWith(), onChange: () => () => undefined };
  const of: ContextFactory['forRequest'] = (viewer, facts) => {
    const reportRejection = (field: string): void => void reported.push(field);
    const context = { viewer, ...facts, reportRejection } as Partial<Context> as Context;
    contexts.push(context);
    return context;
  };
  const made: Pick<ContextFactory, 'forRequest' | 'forEvent'> = { forRequest: of, forEvent: of };
  const subscriptions = new SubscriptionServer({
    schema: source,
    contexts: made as ContextFactory,
    executor: new OperationExecutor({ hidesSuggestions: false }),
    limits: { depth: 5, aliases: 5, tokens: 100, rootFields: 5, fields: 50, directives: 5, cost: 100 },
    streams: { total: 10, perViewer: 10 },
    isIntrospectionOpen: true,
    rejections: new RejectionCounts(),
    log: createLogger('silent'),
  });
  const open = (query = 'subscription { ticks { number } }', by: Partial<StreamCaller> = {}) =>
    subscriptions.open({ query }, { ...caller, ...by });
  return {
    subscriptions,
    open,
    sources,
    contexts,
    reported,
    swap: (more: GraphQLFieldConfigMap<number, Context>) => (source.current = schemaWith(more)),
  };
}

const rejection = async (opening: Promise<unknown>): Promise<AnyData> => {
  const error = await opening.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StreamError);
  return { ...(error as StreamError).errors[0], status: (error as StreamError).httpStatus };
};

/** The next result as its client receives it. */
const received = async (stream: Stream): Promise<unknown> => JSON.parse(JSON.stringify((await stream.next()).value));

describe('a subscription', () => {
  it('is authorized before its source opens', async () => {
    const { open, sources, subscriptions } = serve();
    expect(await rejection(open(undefined, { viewer: { kind: 'anonymous' } }))).toMatchObject({
      extensions: { code: 'UNAUTHENTICATED' },
      path: ['ticks'],
      status: 401,
    });
    expect(sources).toEqual([]);
    expect(subscriptions.statistics()).toMatchObject({ open: { sse: 0 }, rejected: 1 });
    await open();
    expect(sources).toHaveLength(1);
  });

  it('is authorized again for each event', async () => {
    let isAllowed = true;
    const { open, sources, reported } = serve({ rule: permit(() => (isAllowed ? true : new Forbidden('Revoked.'))) });
    const stream = await open();
    sources[0]?.push(1);
    expect(await received(stream)).toEqual({ data: { ticks: { number: 1 } } });
    isAllowed = false;
    sources[0]?.push(2);
    expect(await received(stream)).toMatchObject({
      data: { ticks: null },
      errors: [{ message: 'Revoked.', extensions: { code: 'FORBIDDEN' } }],
    });
    expect(reported).toEqual(['Subscription.ticks']);
  });

  it('has its own context for each event, whose signal is aborted when the stream ends', async () => {
    const seen = new Set<unknown>();
    const { open, sources, contexts } = serve({ resolve: (tick, context) => (seen.add(context), tick) });
    const stream = await open();
    for (const tick of [1, 2, 3]) {
      sources[0]?.push(tick);
      await stream.next();
    }
    expect(seen.size).toBe(3);
    expect(contexts).toHaveLength(4);
    expect(contexts.every(({ signal }) => !signal.aborted)).toBe(true);
    await stream.return();
    expect(contexts.every(({ signal }) => signal.aborted)).toBe(true);
  });

  it('keeps the schema it started with when the schema changes', async () => {
    const { open, sources, swap } = serve();
    const before = await open();
    swap({ fresh: { type: GraphQLString, resolve: () => 'fresh' } });
    const after = await open('subscription { ticks { number fresh } }');
    for (const source of sources) source.push(7);
    expect(await received(before)).toEqual({ data: { ticks: { number: 7 } } });
    expect(await received(after)).toEqual({ data: { ticks: { number: 7, fresh: 'fresh' } } });
  });

  it('masks unexpected errors of an event, and continues', async () => {
    const { open, sources } = serve({
      resolve: (tick) => {
        if (tick === 1) throw new Error('secret: the database password');
        return tick;
      },
    });
    const stream = await open();
    sources[0]?.push(1);
    const result = await received(stream);
    expect(result).toMatchObject({
      data: { ticks: { number: null } },
      errors: [{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }],
    });
    expect(JSON.stringify(result)).not.toContain('secret');
    sources[0]?.push(2);
    expect(await received(stream)).toEqual({ data: { ticks: { number: 2 } } });
  });

  it('does not deliver an event in execution after its credential has ended', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const { open, sources, subscriptions } = serve({ resolve: (tick) => held.then(() => tick) });
    const stream = await open();
    sources[0]?.push(1);
    const next = stream.next();
    stream.end('credential', new Unauthenticated('gone'));
    release();
    await expect(next).rejects.toMatchObject({
      errors: [{ message: 'gone', extensions: { code: 'UNAUTHENTICATED' } }],
    });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(subscriptions.statistics()).toMatchObject({ open: { sse: 0 }, events: 1, ended: { credential: 1 } });
  });

  it('ends at a shutdown, after which none is opened', async () => {
    const { open, sources, subscriptions } = serve();
    const stream = await open();
    const next = stream.next();
    subscriptions.close();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(stream.reason).toBe('shutdown');
    expect(await rejection(open())).toMatchObject({ extensions: { code: 'SERVICE_UNAVAILABLE' }, status: 503 });
    expect(sources.map(({ hasEnded }) => hasEnded)).toEqual([true]);
  });

  it('frees its slot, also if it is rejected', async () => {
    const { open, subscriptions } = serve();
    for (let turn = 0; turn < 30; turn += 1) {
      await rejection(open('subscription { nonsense }'));
      const stream = await open();
      await stream.return();
      await stream.return();
    }
    const streams = await Promise.all(Array.from({ length: 10 }, () => open()));
    expect(await rejection(open())).toMatchObject({ extensions: { code: 'OVERLOADED' } });
    expect(streams).toHaveLength(10);
    expect(subscriptions.statistics().open.sse).toBe(10);
  });

  it.each([
    ['no query', {}],
    ['a query that is not a string', { query: 7 }],
    ['an operation name that is not a string', { query: 'subscription { ticks { number } }', operationName: 7 }],
    ['variables that are not an object', { query: 'subscription { ticks { number } }', variables: 'x' }],
    ['variables in a list', { query: 'subscription { ticks { number } }', variables: [] }],
  ])('is rejected for %s', async (_what, sent) => {
    const { subscriptions, sources } = serve();
    expect(await rejection(subscriptions.open(sent, caller))).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
    expect(sources).toEqual([]);
  });
});
