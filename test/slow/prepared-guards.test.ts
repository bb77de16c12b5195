import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { TokenSigner } from '../../src/auth/token.js';
import { Role } from '../../src/auth/viewer.js';
import { makeDocumentFolder, presetManifest, type DocumentFolder } from '../support/documents.js';
import { comparedResponse, executeBy, preparedCount, type ComparedResponse } from '../support/execution/both-ways.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { addPerson, setRole } from '../support/people.js';
import { listen, socketClient } from '../support/streams.js';

const trusted = 'query Models { models { name } }';
const me = '{ me { role } }';
const users = '{ users(first: 1) { pageInfo { hasNextPage } } }';
const nested = 'query ($n: Int!) { employees(first: $n) { nodes { reports(first: $n) { nodes { id } } } } }';

let folder: DocumentFolder;
/** One gateway with everything in force, and one that rejects what is not trusted. */
let gateway: TestGateway;
let enforcing: TestGateway;
beforeAll(async () => {
  folder = await makeDocumentFolder();
  await folder.write('web', '1.0.0', presetManifest(trusted));
  gateway = await startGateway({
    INTROSPECTION: 'false',
    RESPONSE_CACHE: 'true',
    RATE_LIMIT_PER_VIEWER: '20',
    RATE_LIMIT_WINDOW_SECONDS: '3600',
    MAX_BATCHED_OPERATIONS: '50',
  });
  enforcing = await startGateway({ TRUSTED_DOCUMENTS: 'enforce', TRUSTED_DOCUMENTS_DIR: folder.dir });
});
afterAll(async () => {
  await Promise.all([gateway.close(), enforcing.close()]);
  await folder.close();
});
afterEach(() => {
  jest.restoreAllMocks();
});

type Body = Record<string, unknown> | Record<string, unknown>[];

/** Sends a request by POST, or by GET with the operation in its query string. */
async function send(...request: Parameters<typeof fetched>): Promise<ComparedResponse> {
  const { headers, ...response } = await comparedResponse(await fetched(...request));
  // Other suites compare the statements; here a check of a session may add one.
  return { ...response, headers: { ...headers, 'server-timing': '' } };
}

async function fetched(
  token: string | null,
  body: Body,
  {
    by = 'POST',
    headers = {},
    to = gateway,
  }: { by?: 'POST' | 'GET'; headers?: Record<string, string>; to?: TestGateway } = {},
): Promise<Response> {
  const sent = { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers };
  if (by === 'POST') {
    const type = { 'content-type': 'application/json' };
    return fetch(to.url, { method: 'POST', headers: { ...type, ...sent }, body: JSON.stringify(body) });
  }
  const parameters = Object.entries(body).map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return fetch(`${to.url}?${new URLSearchParams(parameters).toString()}`, { headers: sent });
}

interface Guard {
  /** Operations that are prepared before, by an administrator. */
  known: Record<string, unknown>[];
  attempt: () => Promise<ComparedResponse[]>;
  /** The status and the text that the body has, of each response. */
  expected: [number, string][];
  to?: () => TestGateway;
}

const guards: Record<string, Guard> = {
  'an expired token': {
    known: [{ query: me }],
    attempt: async () => {
      const { uuid } = await addPerson(gateway);
      const viewer = { userId: uuid, role: Role.USER, employeeId: null, sessionId: uuid };
      return [await send(new TokenSigner(gateway.secret, -60).sign(viewer).token, { query: me })];
    },
    expected: [[200, 'The access token has expired']],
  },
  'a revoked token': {
    known: [{ query: me }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      const before = await send(token, { query: me });
      await send(token, { query: 'mutation { logout { remainingCount } }' });
      return [before, await send(token, { query: me })];
    },
    expected: [
      [200, '"role":"USER"'],
      [200, 'UNAUTHENTICATED'],
    ],
  },
  'a role that was taken': {
    known: [{ query: users }],
    attempt: async () => {
      const person = await addPerson(gateway, Role.ADMIN);
      const before = await send(person.token, { query: users });
      await setRole(gateway, person, Role.USER);
      const after = await addPerson(gateway);
      return [before, await send(person.token, { query: users }), await send(after.token, { query: users })];
    },
    expected: [
      [200, '"hasNextPage":true'],
      [401, 'UNAUTHENTICATED'],
      [200, 'FORBIDDEN'],
    ],
  },
  'no credential': {
    known: [{ query: 'query Anonymous { me { email } employees(first: 1) { totalCount } }' }],
    attempt: async () => [
      await send(null, { query: 'query Anonymous { me { email } employees(first: 1) { totalCount } }' }),
    ],
    expected: [[401, 'UNAUTHENTICATED']],
  },
  'a size by variables over the limit': {
    known: [{ query: nested, variables: { n: 1 } }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      return [
        await send(token, { query: nested, variables: { n: 2 } }),
        await send(token, { query: nested, variables: { n: 100 } }),
      ];
    },
    expected: [
      [200, '"reports"'],
      [400, 'QUERY_TOO_LARGE'],
    ],
  },
  'introspection that is closed': {
    known: [{ query: '{ __schema { queryType { name } } }' }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      return [await send(token, { query: '{ __schema { queryType { name } } }' })];
    },
    expected: [[200, 'Introspection is closed']],
  },
  'invalid variables': {
    known: [{ query: nested, variables: { n: 1 } }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      const standard = { headers: { accept: 'application/graphql-response+json' } };
      return [
        await send(token, { query: nested, variables: { n: 'one' } }),
        await send(token, { query: nested }, standard),
        await send(token, { query: nested, variables: '{"n":1}' }),
        await send(token, { query: nested, variables: [1] }),
        await send(token, { query: nested, operationName: 7 }),
      ];
    },
    expected: [
      [200, 'BAD_USER_INPUT'],
      [400, 'BAD_USER_INPUT'],
      [400, 'should be provided as an object'],
      [400, 'must be an object'],
      [400, 'must be a string'],
    ],
  },
  'an operation name that the document has not': {
    known: [{ query: 'query A { me { email } }', operationName: 'A' }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      return [
        await send(token, { query: 'query A { me { email } }', operationName: 'B' }),
        await send(token, { query: 'query A { me { email } }', operationName: '' }),
        // A name and a text that together look like the prepared ones.
        await send(token, { query: '1 Aquery A { me { email } }' }),
      ];
    },
    expected: [
      [200, 'OPERATION_RESOLUTION_FAILURE'],
      [200, '"errors"'],
      [200, 'GRAPHQL_PARSE_FAILED'],
    ],
  },
  'the rate limit': {
    known: [{ query: me }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      const responses = [];
      for (let turn = 0; turn < 21; turn += 1) responses.push(await send(token, { query: me }));
      return responses.slice(-2);
    },
    expected: [
      [200, '"role":"USER"'],
      [429, 'TOO_MANY_REQUESTS'],
    ],
  },
  'a GET that another site could send': {
    known: [{ query: me }],
    attempt: async () => [
      await send(null, { query: me }, { by: 'GET' }),
      await send(null, { query: me }, { by: 'GET', headers: { 'content-type': 'text/plain' } }),
    ],
    expected: [
      [400, 'Cross-Site Request Forgery'],
      [400, 'BAD_REQUEST'],
    ],
  },
  'a mutation by GET': {
    known: [{ query: 'mutation { logout(allSessions: false) { remainingCount } }' }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      return [
        await send(token, { query: 'mutation { logout { remainingCount } }' }, { by: 'GET' }),
        await send(token, { query: me }),
      ];
    },
    expected: [
      [405, 'GET requests only support query operations'],
      [200, '"role":"USER"'],
    ],
  },
  'a query by GET, with variables': {
    known: [{ query: nested, variables: { n: 1 } }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      return [
        await send(token, { query: nested, variables: { n: 1 } }, { by: 'GET' }),
        await send(token, { query: nested, variables: '{' }, { by: 'GET' }),
        await send(token, { query: nested, variables: '[1]' }, { by: 'GET' }),
      ];
    },
    expected: [
      [200, '"reports"'],
      [400, 'variables'],
      [400, 'variables'],
    ],
  },
  'media types': {
    known: [{ query: me }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      const accepts = [
        'text/html',
        '*/*',
        'application/json;q=0.1, application/graphql-response+json',
        'application/graphql-response+json;q=0, */*',
        'text/event-stream',
      ];
      const responses = [];
      for (const accept of accepts) responses.push(await send(token, { query: me }, { headers: { accept } }));
      return responses;
    },
    expected: [
      [406, 'NOT_ACCEPTABLE'],
      [200, '"role":"USER"'],
      [200, '"role":"USER"'],
      [200, '"role":"USER"'],
      [200, 'event: complete'],
    ],
  },
  'a batch': {
    known: [{ query: me }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      return [
        await send(token, [{ query: me }, { query: users }, { query: me }]),
        await send(
          token,
          Array.from({ length: 30 }, () => ({ query: me })),
        ),
      ];
    },
    expected: [
      [200, 'FORBIDDEN'],
      [429, 'TOO_MANY_REQUESTS'],
    ],
  },
  'a mutation that changes what is cached': {
    known: [{ query: '{ me { apiKeys { name } } }' }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      const list = { query: '{ me { apiKeys { name } } }' };
      const create = { query: 'mutation { createApiKey(name: "prepared") { apiKey { name } } }' };
      return [
        await send(token, list),
        await send(token, list),
        await send(token, create),
        await send(token, list),
        await send(token, list),
      ];
    },
    expected: [
      [200, '"apiKeys":[]'],
      [200, '"apiKeys":[]'],
      [200, '"name":"prepared"'],
      [200, '"name":"prepared"'],
      [200, '"name":"prepared"'],
    ],
  },
  'an operation of a WebSocket': {
    known: [{ query: me }, { query: users }],
    attempt: async () => {
      const { token } = await addPerson(gateway);
      const client = socketClient(gateway.url, { authorization: `Bearer ${token}` });
      const results = [];
      for (const query of [me, users]) results.push(await listen(client, query).next());
      await client.dispose();
      return results.map((events) => ({ status: 200, headers: {}, body: JSON.stringify(events) }));
    },
    expected: [
      [200, '"role":"USER"'],
      [200, 'FORBIDDEN'],
    ],
  },
  'a document that is not trusted': {
    to: () => enforcing,
    known: [{ query: trusted }, { query: 'query Untrusted { models { name title } }' }],
    attempt: async () => {
      const { token } = await addPerson(enforcing);
      return [
        await send(token, { query: trusted }, { to: enforcing }),
        await send(token, { query: 'query Untrusted { models { name title } }' }, { to: enforcing }),
      ];
    },
    expected: [
      [200, '"models"'],
      [403, 'DOCUMENT_NOT_TRUSTED'],
    ],
  },
};

describe('a guard', () => {
  it.each(Object.entries(guards))(
    'decides about prepared operations as about others: %s',
    async (_name, { known, attempt, expected, to = () => gateway }) => {
      // The exemption of the administrator prepares what others may not send.
      const admin = await addPerson(to(), Role.ADMIN);
      for (const operation of known) await send(admin.token, operation, { to: to() });
      executeBy('Apollo Server');
      const byApollo = await attempt();
      expect(preparedCount()).toBe(0);
      executeBy('prepared');
      const prepared = await attempt();
      expect(prepared).toEqual(byApollo);
      expect(prepared.map(({ status, body }) => [status, body])).toEqual(
        expected.map(([status, text]) => [status, expect.stringContaining(text)]),
      );
    },
  );
});
