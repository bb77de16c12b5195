import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { OperationExecutor } from '../../src/graphql/execution/operation-executor.js';
import { productOperations, type ProductOperation } from '../support/execution/product-operations.js';
import { startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ RESPONSE_CACHE: 'false', QUERY_CACHE: 'false' });
});
afterAll(() => gateway.close());
afterEach(() => {
  jest.restoreAllMocks();
});

/** The data as text, the errors and the number of database statements, without what no two responses have in common: ids of errors and predictions, times and durations. */
async function responseTo({ caller = 'admin', document, variables = {}, operationName }: ProductOperation) {
  const authorization = typeof caller === 'string' ? { authorization: `Bearer ${await gateway.tokenOf(caller)}` } : {};
  const response = await fetch(gateway.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorization },
    body: JSON.stringify({ query: document, variables, operationName }),
  });
  const text = (await response.text())
    .replaceAll(/prediction_[0-7][0-9a-z]{25}/g, '<prediction>')
    .replaceAll(/"durationMs":[\d.e-]+/g, '"durationMs":0')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>');
  const { errors = [] } = JSON.parse(text) as { errors?: unknown[] };
  // Loaders have the same batches if there are as few statements. A response may be sent before those of fields that it omits.
  const [, statements] = /sql;[^,]*"(\d+) statement/.exec(response.headers.get('server-timing') ?? '') ?? [];
  return {
    status: response.status,
    data: text.slice(text.lastIndexOf('"data":')),
    // The database decides which field fails first.
    errors: errors.map((error) => JSON.stringify(error)).sort(),
    statements: errors.length > 0 ? null : statements,
  };
}

let compiledExecutions = 0;

/** Spies on the executor, which compiles or lets graphql-js execute. */
function executeBy(kind: 'compiled' | 'graphql-js'): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with `this` below
  const { compiled } = OperationExecutor.prototype;
  jest.spyOn(OperationExecutor.prototype, 'compiled').mockImplementation(function (this: OperationExecutor, args) {
    const operation = kind === 'compiled' ? compiled.call(this, args) : null;
    if (operation) compiledExecutions += 1;
    return operation;
  });
}

describe('a response of the compiled executor', () => {
  it.each(Object.entries(productOperations))(
    'is that of graphql-js, byte for byte and after the same statements: %s',
    async (_name, operation) => {
      executeBy('graphql-js');
      const expected = await responseTo(operation);
      jest.restoreAllMocks();
      executeBy('compiled');
      expect(await responseTo(operation)).toEqual(expected);
      // The second execution reuses the plan.
      expect(await responseTo(operation)).toEqual(expected);
    },
  );

  it('is compared for most operations, since graphql-js executes few', () => {
    expect(compiledExecutions).toBeGreaterThan(Object.keys(productOperations).length);
  });
});
