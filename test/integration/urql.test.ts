import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Client,
  fetchExchange,
  gql,
  subscriptionExchange,
  type ExecutionResult,
  type OperationResult,
} from '@urql/core';
import { createClient } from 'graphql-ws';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { waitUntil } from '../support/wait-until.js';

let gateway: TestGateway;
let token: string;
beforeAll(async () => {
  gateway = await startGateway();
  token = await gateway.tokenOf('admin');
});
afterAll(() => gateway.close());

/** Methods of the requests sent. */
let methods: string[] = [];

/** A client with the default configuration, which sends queries by GET, and the credential that urql's documentation shows. */
function openClient(options: { usesSockets?: boolean; isSignedIn?: boolean } = {}): Client {
  const { usesSockets = false, isSignedIn = true } = options;
  methods = [];
  const sockets = createClient({
    url: gateway.url.replace('http', 'ws'),
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
  const overSockets = subscriptionExchange({
    forwardSubscription: ({ query = '', variables }) => ({
      subscribe: ({ next, error, complete }) => ({
        unsubscribe: sockets.subscribe(
          { query, variables },
          { next: (result) => next(result as ExecutionResult), error, complete },
        ),
      }),
    }),
  });
  return new Client({
    url: gateway.url,
    exchanges: usesSockets ? [overSockets, fetchExchange] : [fetchExchange],
    fetchSubscriptions: !usesSockets,
    fetchOptions: () => ({ headers: isSignedIn ? { authorization: `Bearer ${token}` } : {} }),
    fetch: (input, init) => {
      methods.push(init?.method ?? 'GET');
      return fetch(input, init);
    },
  });
}

const titles = gql`
  query Titles($first: Int!) {
    employees(first: $first) {
      nodes {
        id
        jobTitle
      }
    }
  }
`;
const rename = gql`
  mutation Rename($id: ID!, $input: UpdateEmployeeInput!) {
    updateEmployee(id: $id, input: $input) {
      jobTitle
    }
  }
`;
const changes = gql`
  subscription {
    employeeChanged {
      kind
      employee {
        jobTitle
      }
    }
  }
`;

describe('urql', () => {
  it('reads by GET and writes by POST', async () => {
    const client = openClient();
    const read: OperationResult = await client.query(titles, { first: 2 });
    expect([read.error, read.data.employees.nodes]).toEqual([undefined, [expect.any(Object), expect.any(Object)]]);
    const { id } = read.data.employees.nodes[0];
    const written: OperationResult = await client.mutation(rename, { id, input: { jobTitle: 'By urql' } });
    expect([written.error, written.data.updateEmployee]).toEqual([
      undefined,
      expect.objectContaining({ jobTitle: 'By urql' }),
    ]);
    expect(methods).toEqual(['GET', 'POST']);
  });

  it('receives the code of an error beside the data', async () => {
    const client = openClient();
    const { data, error }: OperationResult = await client.query(
      '{ departments { name } employee(id: "nonsense") { name } }',
      {},
    );
    expect(data.departments).toHaveLength(8);
    expect(error?.graphQLErrors.map(({ extensions }) => extensions.code)).toEqual(['BAD_USER_INPUT']);
  });

  it('sends no GET without a credential or a preflight header, which is rejected', async () => {
    const { error } = await openClient({ isSignedIn: false }).query('{ __typename }', {});
    expect(error?.message).toMatch('Cross-Site Request Forgery');
  });

  it.each([
    ['fetch', false],
    ['graphql-ws', true],
  ])('subscribes over %s', async (transport, usesSockets) => {
    const client = openClient({ usesSockets });
    const results: OperationResult[] = [];
    const openedStreams = () => gateway.logs.filter(({ msg }) => msg === 'stream opened').length;
    const opened = openedStreams();
    const subscription = client.subscription(changes, {}).subscribe((result) => void results.push(result));
    const { data }: OperationResult = await client.query(titles, { first: 1 });
    const { id } = data.employees.nodes[0];
    await waitUntil(() => openedStreams() > opened);
    await client.mutation(rename, { id, input: { jobTitle: `Over ${transport}` } });
    await waitUntil(() => results.length > 0);
    subscription.unsubscribe();
    expect(results[0]?.error).toBeUndefined();
    expect(results[0]?.data.employeeChanged).toMatchObject({
      kind: 'UPDATED',
      employee: { jobTitle: `Over ${transport}` },
    });
  });
});
