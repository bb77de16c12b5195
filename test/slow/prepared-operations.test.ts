import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { comparedResponse, executeBy, preparedCount, type ComparedResponse } from '../support/execution/both-ways.js';
import { productOperations, type ProductOperation } from '../support/execution/product-operations.js';
import { startGateway, type TestGateway } from '../support/gateway.js';

afterEach(() => {
  jest.restoreAllMocks();
});

async function responseOf(
  gateway: TestGateway,
  { caller = 'admin', document, variables, operationName }: ProductOperation,
): Promise<ComparedResponse> {
  const authorization = typeof caller === 'string' ? { authorization: `Bearer ${await gateway.tokenOf(caller)}` } : {};
  const response = await fetch(gateway.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorization },
    body: JSON.stringify({ query: document, variables, operationName }),
  });
  const compared = await comparedResponse(response);
  // The database decides which of several fields fails first, and the number of statements until then.
  if (!compared.body.startsWith('{"errors"')) return compared;
  const { errors, ...rest } = JSON.parse(compared.body) as { errors: unknown[] };
  const sorted = errors.map((error) => JSON.stringify(error)).sort();
  return { ...compared, headers: { ...compared.headers, 'server-timing': '' }, body: JSON.stringify([sorted, rest]) };
}

describe.each(['false', 'true'])('a prepared operation, with RESPONSE_CACHE=%s', (cache) => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ RESPONSE_CACHE: cache, QUERY_CACHE: 'false' });
  });
  afterAll(() => gateway.close());
  let total = 0;

  it.each(Object.entries(productOperations))(
    'has the status, headers and body of Apollo Server: %s',
    async (_name, operation) => {
      executeBy('Apollo Server');
      // The first response may be stored in the cache, and the second come from it.
      const expected = [await responseOf(gateway, operation), await responseOf(gateway, operation)];
      expect(preparedCount()).toBe(0);
      executeBy('prepared');
      const [, second] = expected;
      expect(await responseOf(gateway, operation)).toEqual(second);
      expect(await responseOf(gateway, operation)).toEqual(second);
      total += preparedCount();
    },
  );

  it('is compared for most operations: Apollo Server reports those that are invalid', () => {
    expect(total).toBeGreaterThan(Object.keys(productOperations).length * 1.4);
  });
});
