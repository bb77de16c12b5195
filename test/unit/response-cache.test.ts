import { ApolloServer } from '@apollo/server';
import { expect, it } from '@jest/globals';
import { GraphQLBoolean, GraphQLObjectType, GraphQLSchema } from 'graphql';
import type { Context } from '../../src/graphql/context.js';
import { ResponseCache } from '../../src/graphql/response-cache.js';
import type { Cache } from '../../src/shared/cache.js';
import { VersionedCache } from '../../src/shared/versioned-cache.js';

it('lets nobody be told of a change before the answers that are older than it are forgotten', async () => {
  const happened: string[] = [];
  const slow = {
    async setMany() {
      await new Promise((resolve) => setImmediate(resolve));
      happened.push('forgotten');
      return true;
    },
  } as unknown as Cache;
  const type = (name: string, resolve: () => boolean) =>
    new GraphQLObjectType({ name, fields: { change: { type: GraphQLBoolean, resolve, extensions: { invalidates: ['Query'] } } } });
  const context = { readAnew: () => undefined, runTasks: () => happened.push('told') } as unknown as Context;
  const kept = new VersionedCache(slow);
  const responses = new ResponseCache({ kept, keepsAnswers: true, introspection: {} });
  const apollo = new ApolloServer<Context>({
    schema: new GraphQLSchema({ query: type('Query', () => true), mutation: type('Mutation', () => happened.push('changed') > 0) }),
    plugins: [responses.plugin()],
  });
  await apollo.executeOperation({ query: 'mutation { change }' }, { contextValue: context });
  await apollo.stop();
  kept.close();
  expect(happened).toEqual(['changed', 'forgotten', 'told']);
});
