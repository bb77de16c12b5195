import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString, type GraphQLFieldConfigMap } from 'graphql';
import { Role, type Viewer } from '../../src/auth/viewer.js';
import type { DocumentGate } from '../../src/documents/document-gate.js';
import type { Context, Contexts } from '../../src/graphql/context.js';
import { guardSchema, isSignedIn, permit, type Permissions } from '../../src/graphql/permissions.js';
import { Refusals } from '../../src/graphql/refusals.js';
import { Subscriptions, StreamError, type StreamCaller } from '../../src/graphql/subscriptions.js';
import { Forbidden, Unauthenticated } from '../../src/shared/errors.js';
import { EventQueue } from '../../src/shared/event-queue.js';
import { createLogger } from '../../src/shared/logger.js';
import type { Any } from '../kit/gateway.js';

const user: Viewer = { kind: 'session', userId: 'u', role: Role.USER, employeeId: null, credentialId: 's', scopes: [] };
const caller: StreamCaller = { viewer: user, client: { name: 'web', version: '1' }, requestId: 'r', address: '', transport: 'sse' };
const rules: Permissions = { Query: { nothing: isSignedIn }, Subscription: { ticks: isSignedIn } };

/** Lets every text pass. */
const openGate: DocumentGate = { admit: (sent) => Promise.resolve(sent) };

/** Subscriptions over a schema of one field, whose source and answers the test has in hand. */
function serve({ documents = openGate, rule = isSignedIn, resolve }: { documents?: DocumentGate; rule?: typeof isSignedIn; resolve?: (tick: number, context: Context) => unknown } = {}) {
  const sources: EventQueue<number>[] = [];
  const contexts: { signal: AbortSignal }[] = [];
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
                fields: { number: { type: GraphQLInt, resolve: (tick, _args, context) => (resolve ? resolve(tick, context) : tick) }, ...more },
              }),
              args: { of: { type: new GraphQLNonNull(GraphQLString), defaultValue: 'all' } },
              subscribe: () => {
                const source = new EventQueue<number>({ maxWaiting: 5 });
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
  const of: Contexts['of'] = (viewer, facts) => {
    const context = { viewer, ...facts } as Context;
    contexts.push(context);
    return context;
  };
  const made: Pick<Contexts, 'of' | 'ofEvent'> = { of, ofEvent: of };
  const subscriptions = new Subscriptions({
    schema: source,
    contexts: made as Contexts,
    documents,
    limits: { depth: 5, aliases: 5, tokens: 100, rootFields: 5, cost: 100 },
    streams: { total: 10, perViewer: 10, bufferedEvents: 5 },
    isIntrospectionOpen: true,
    refusals: new Refusals(),
    log: createLogger('silent'),
  });
  const open = (query = 'subscription { ticks { number } }', by: Partial<StreamCaller> = {}) => subscriptions.open({ query }, { ...caller, ...by });
  return { subscriptions, open, sources, contexts, swap: (more: GraphQLFieldConfigMap<number, Context>) => (source.current = schemaWith(more)) };
}

const refusal = async (opening: Promise<unknown>): Promise<Any> => {
  const error = await opening.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StreamError);
  return { ...(error as StreamError).errors[0], status: (error as StreamError).httpStatus };
};

describe('a subscription', () => {
  it('is asked for its rule before its source opens', async () => {
    const { open, sources, subscriptions } = serve();
    expect(await refusal(open(undefined, { viewer: { kind: 'stranger' } }))).toMatchObject({ extensions: { code: 'UNAUTHENTICATED' }, path: ['ticks'], status: 401 });
    expect(sources).toEqual([]);
    expect(subscriptions.statistics()).toMatchObject({ open: { sse: 0 }, refused: 1 });
    await open();
    expect(sources).toHaveLength(1);
  });

  it('is asked for its rule at each event as well', async () => {
    let isAllowed = true;
    const { open, sources } = serve({ rule: permit(() => (isAllowed ? true : new Forbidden('No more.')) ) });
    const stream = await open();
    sources[0]?.push(1);
    expect((await stream.next()).value).toEqual({ data: { ticks: { number: 1 } } });
    isAllowed = false;
    sources[0]?.push(2);
    expect((await stream.next()).value).toMatchObject({ data: { ticks: null }, errors: [{ message: 'No more.', extensions: { code: 'FORBIDDEN' } }] });
  });

  it('passes the gate of documents, which turns an id into a text or refuses', async () => {
    const seen: Any[] = [];
    const documents: DocumentGate = {
      admit: (sent, by) => {
        seen.push([sent, by.client, by.viewer]);
        if (sent.documentId !== 'known') return Promise.reject(new Forbidden('This document is not trusted.'));
        return Promise.resolve({ query: 'subscription Known { ticks { number } }' });
      },
    };
    const { subscriptions, sources } = serve({ documents });
    expect(await refusal(subscriptions.open({ query: 'subscription { ticks { number } }' }, caller))).toMatchObject({ message: 'This document is not trusted.', status: 200 });
    expect(sources).toEqual([]);
    const stream = await subscriptions.open({ documentId: 'known' }, caller);
    sources[0]?.push(1);
    expect((await stream.next()).value).toEqual({ data: { ticks: { number: 1 } } });
    expect(seen.at(-1)).toEqual([{ documentId: 'known' }, { name: 'web', version: '1' }, user]);
  });

  it('has a context of its own for each event, whose signal is aborted when the stream ends', async () => {
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

  it('goes on with the schema that it began with when that changes', async () => {
    const { open, sources, swap } = serve();
    const before = await open();
    swap({ fresh: { type: GraphQLString, resolve: () => 'fresh' } });
    const after = await open('subscription { ticks { number fresh } }');
    for (const source of sources) source.push(7);
    expect((await before.next()).value).toEqual({ data: { ticks: { number: 7 } } });
    expect((await after.next()).value).toEqual({ data: { ticks: { number: 7, fresh: 'fresh' } } });
  });

  it('masks what goes wrong unexpectedly, event by event, and goes on', async () => {
    const { open, sources } = serve({
      resolve: (tick) => {
        if (tick === 1) throw new Error('secret: the database password');
        return tick;
      },
    });
    const stream = await open();
    sources[0]?.push(1);
    const { value } = await stream.next();
    expect(value).toMatchObject({ data: { ticks: { number: null } }, errors: [{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }] });
    expect(JSON.stringify(value)).not.toContain('secret');
    sources[0]?.push(2);
    expect((await stream.next()).value).toEqual({ data: { ticks: { number: 2 } } });
  });

  it('does not tell what was being executed when its reader was shut out', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const { open, sources, subscriptions } = serve({ resolve: (tick) => held.then(() => tick) });
    const stream = await open();
    sources[0]?.push(1);
    const next = stream.next();
    stream.end('credential', new Unauthenticated('gone'));
    release();
    await expect(next).rejects.toMatchObject({ errors: [{ message: 'gone', extensions: { code: 'UNAUTHENTICATED' } }] });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(subscriptions.statistics()).toMatchObject({ open: { sse: 0 }, events: 1, ended: { credential: 1 } });
  });

  it('ends for a reader that waits, at a shutdown, and none is opened after it', async () => {
    const { open, sources, subscriptions } = serve();
    const stream = await open();
    const next = stream.next();
    subscriptions.close();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(stream.reason).toBe('shutdown');
    expect(await refusal(open())).toMatchObject({ extensions: { code: 'SERVICE_UNAVAILABLE' }, status: 503 });
    expect(sources.map(({ hasEnded }) => hasEnded)).toEqual([true]);
  });

  it('gives its place back, also where it was refused', async () => {
    const { open, subscriptions } = serve();
    for (let turn = 0; turn < 30; turn += 1) {
      await refusal(open('subscription { nonsense }'));
      const stream = await open();
      await stream.return();
      await stream.return();
    }
    const streams = await Promise.all(Array.from({ length: 10 }, () => open()));
    expect(await refusal(open())).toMatchObject({ extensions: { code: 'OVERLOADED' } });
    expect(streams).toHaveLength(10);
    expect(subscriptions.statistics().open.sse).toBe(10);
  });

  it.each([
    ['no text', {}],
    ['a text that is none', { query: 7 }],
    ['a name that is none', { query: 'subscription { ticks { number } }', operationName: 7 }],
    ['variables that are none', { query: 'subscription { ticks { number } }', variables: 'x' }],
    ['variables in a list', { query: 'subscription { ticks { number } }', variables: [] }],
  ])('is refused for %s', async (_what, sent) => {
    const { subscriptions, sources } = serve();
    expect(await refusal(subscriptions.open(sent, caller))).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
    expect(sources).toEqual([]);
  });
});
