import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { print } from '@apollo/client/utilities';
import { hashOf } from '../../src/persisted-documents/document-request.js';
import { bundledModels } from '../support/bundled-models.js';
import { makeDocumentFolder, presetManifest, type DocumentFolder } from '../support/documents.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';

/** A request as sent: its method, and whether it contains the document text. */
interface Sent {
  method: string;
  hasText: boolean;
}

/** Opens an Apollo Client with persisted queries, and records its requests. */
function openClient(
  gateway: TestGateway,
  token: string,
  options: { useGETForHashedQueries?: boolean; prefix?: string } = {},
) {
  const sent: Sent[] = [];
  const http = new HttpLink({
    uri: gateway.url,
    headers: { authorization: `Bearer ${token}`, 'apollo-require-preflight': 'true' },
    fetch: (uri, request) => {
      sent.push({
        method: request?.method ?? 'GET',
        hasText:
          typeof request?.body === 'string'
            ? 'query' in (JSON.parse(request.body) as object)
            : new URL(uri instanceof Request ? uri.url : uri).searchParams.has('query'),
      });
      return fetch(uri, request);
    },
  });
  const { prefix = '', useGETForHashedQueries = false } = options;
  const persisted = new PersistedQueryLink({
    generateHash: (document: AnyData) => Promise.resolve(`${prefix}${hashOf(print(document))}`),
    useGETForHashedQueries,
  });
  const client = new ApolloClient({
    link: ApolloLink.from([persisted, http]),
    cache: new InMemoryCache(),
    clientAwareness: { name: 'frontend', version: '1.0.0' },
  });
  return { client, sent };
}

const modelsIn = (data: AnyData): number => data.models.length as number;

const usageOf = async (gateway: TestGateway): Promise<AnyData[]> =>
  (
    await gateway.execute<AnyData>(
      'admin',
      '{ documentUsage(client: "frontend") { nodes { operationName clientVersion isTrusted count } } }',
    )
  ).data.documentUsage.nodes;

describe('Apollo Client', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  it.each([true, false])(
    'sends a document text once and then only its hash; by GET: %s',
    async (useGETForHashedQueries) => {
      const { client, sent } = openClient(gateway, await gateway.tokenOf('user'), { useGETForHashedQueries });
      const method = useGETForHashedQueries ? 'GET' : 'POST';
      const query = useGETForHashedQueries
        ? gql`
            query ByGet {
              models {
                name
              }
            }
          `
        : gql`
            query ByPost {
              models {
                name
              }
            }
          `;
      for (let turn = 0; turn < 2; turn++) {
        const { data, error } = await client.query({ query, fetchPolicy: 'network-only' });
        expect([error, modelsIn(data)]).toEqual([undefined, bundledModels.length]);
      }
      expect(sent).toEqual([
        { method, hasText: false },
        { method: 'POST', hasText: true },
        { method, hasText: false },
      ]);
      client.stop();
    },
  );

  it('is identified by its name and version', async () => {
    expect(await usageOf(gateway)).toEqual(
      expect.arrayContaining([{ operationName: 'ByPost', clientVersion: '1.0.0', isTrusted: false, count: 2 }]),
    );
  });

  it('stops sending hashes if automatic persisted queries are disabled', async () => {
    const off = await startGateway({ AUTOMATIC_PERSISTED_QUERIES: 'false' });
    try {
      const { client, sent } = openClient(off, await off.tokenOf('user'));
      for (let turn = 0; turn < 2; turn++) {
        expect(
          modelsIn(
            (
              await client.query({
                query: gql`
                  query Off {
                    models {
                      name
                    }
                  }
                `,
                fetchPolicy: 'network-only',
              })
            ).data,
          ),
        ).toBe(bundledModels.length);
      }
      expect(sent.map(({ hasText }) => hasText)).toEqual([false, true, true]);
      client.stop();
    } finally {
      await off.close();
    }
  });
});

describe('Apollo Client with TRUSTED_DOCUMENTS=enforce', () => {
  let folder: DocumentFolder;
  let gateway: TestGateway;
  const trusted = gql`
    query Trusted {
      models {
        name
        __typename
      }
    }
  `;
  beforeAll(async () => {
    folder = await makeDocumentFolder();
    await folder.write('frontend', '1.0.0', presetManifest(print(trusted)));
    gateway = await startGateway({ TRUSTED_DOCUMENTS: 'enforce', TRUSTED_DOCUMENTS_DIR: folder.dir });
  });
  afterAll(async () => {
    await gateway.close();
    await folder.close();
  });

  it('sends trusted documents by hash alone, with or without the prefix of the client preset', async () => {
    for (const prefix of ['', 'sha256:']) {
      const { client, sent } = openClient(gateway, await gateway.tokenOf('user'), { prefix });
      expect(modelsIn((await client.query({ query: trusted })).data)).toBe(bundledModels.length);
      expect(sent).toEqual([{ method: 'POST', hasText: false }]);
      client.stop();
    }
  });

  it('gets an error with the remedy for an untrusted document', async () => {
    const { client, sent } = openClient(gateway, await gateway.tokenOf('user'));
    await expect(
      client.query({
        query: gql`
          query Other {
            models {
              title
            }
          }
        `,
      }),
    ).rejects.toThrow();
    expect(sent.map(({ hasText }) => hasText)).toEqual([false, true]);
    client.stop();
  });
});
