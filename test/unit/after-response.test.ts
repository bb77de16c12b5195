import { ApolloServer } from '@apollo/server';
import { describe, expect, it } from '@jest/globals';
import { GraphQLBoolean, GraphQLObjectType, GraphQLSchema } from 'graphql';
import { ContextFactory, type Context, type ContextServices } from '../../src/graphql/context/context.js';
import { afterResponse, type EntityCache } from '../../src/graphql/server/stages/after-response.js';
import { stagesPlugin } from '../../src/graphql/server/stages/stage.js';
import { createLogger } from '../../src/telemetry/logger.js';

/**
 * Executes a mutation that invalidates `Query`; returns the response, the events in their order, and the log's
 * messages.
 */
async function mutate(
  caches: (record: (event: string) => void) => EntityCache[],
  tasks: (record: (event: string) => void) => (() => void)[],
) {
  const events: string[] = [];
  const messages: string[] = [];
  const record = (event: string): void => void events.push(event);
  const log = createLogger('error', {
    write: (line) => void messages.push((JSON.parse(line) as { msg: string }).msg),
  });
  const contexts = new ContextFactory({ log, queries: null } as ContextServices);
  const contextValue = contexts.forRequest(
    { kind: 'anonymous' },
    {
      requestId: 'r',
      address: '::1',
      client: { name: null, version: null },
      transport: 'http',
      signal: new AbortController().signal,
    },
  );
  const type = (name: string, resolve: (context: Context) => boolean) =>
    new GraphQLObjectType<unknown, Context>({
      name,
      fields: {
        change: {
          type: GraphQLBoolean,
          resolve: (_source, _args, context) => resolve(context),
          extensions: { invalidates: ['Query'] },
        },
      },
    });
  const apollo = new ApolloServer<Context>({
    schema: new GraphQLSchema({
      query: type('Query', () => true),
      mutation: type('Mutation', (context) => {
        record('changed');
        for (const task of tasks(record)) context.onResponse(task);
        return true;
      }),
    }),
    plugins: [stagesPlugin([afterResponse(caches(record))])],
  });
  const { body } = await apollo.executeOperation({ query: 'mutation { change }' }, { contextValue });
  await apollo.stop();
  const data = body.kind === 'single' ? { ...body.singleResult.data } : null;
  return { data, events, messages };
}

describe('after a mutation', () => {
  const slowCache = (record: (event: string) => void): EntityCache => ({
    async invalidate(entities) {
      await new Promise((resolve) => setImmediate(resolve));
      record(`invalidated ${entities.join()}`);
    },
  });

  it('runs tasks once every cache is invalidated', async () => {
    const { events } = await mutate(
      (record) => [slowCache(record), slowCache(record)],
      (record) => [() => record('published')],
    );
    expect(events).toEqual(['changed', 'invalidated Query', 'invalidated Query', 'published']);
  });

  it('runs tasks without any cache', async () => {
    const { events } = await mutate(
      () => [],
      (record) => [() => record('published')],
    );
    expect(events).toEqual(['changed', 'published']);
  });

  it('runs tasks, completes the response and logs if an invalidation fails', async () => {
    const broken: EntityCache = { invalidate: () => Promise.reject(new Error('down')) };
    const { data, events, messages } = await mutate(
      (record) => [broken, slowCache(record)],
      (record) => [() => record('published')],
    );
    expect(data).toEqual({ change: true });
    expect(events).toEqual(['changed', 'invalidated Query', 'published']);
    expect(messages).toEqual(['cache invalidation failed']);
  });

  it('runs the remaining tasks and logs if one throws', async () => {
    const { data, events, messages } = await mutate(
      () => [],
      (record) => [
        () => {
          throw new Error('broken');
        },
        () => record('published'),
      ],
    );
    expect(data).toEqual({ change: true });
    expect(events).toEqual(['changed', 'published']);
    expect(messages).toEqual(['response task failed']);
  });
});
