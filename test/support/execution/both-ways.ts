import { jest } from '@jest/globals';
import { PreparedExecution } from '../../../src/graphql/prepared-operations/prepared-execution.js';
import { PreparedOperations } from '../../../src/graphql/prepared-operations/prepared-operations.js';

export type Way = 'Apollo Server' | 'prepared';

/** Counts the operations that were executed without Apollo Server since `executeBy`. */
let prepared = 0;

export const preparedCount = (): number => prepared;

/** Lets Apollo Server execute every operation, or only those that are not prepared. */
export function executeBy(way: Way): void {
  jest.restoreAllMocks();
  prepared = 0;
  if (way === 'Apollo Server') jest.spyOn(PreparedOperations.prototype, 'find').mockReturnValue(null);
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with `this` below
  const { execute } = PreparedExecution.prototype;
  jest.spyOn(PreparedExecution.prototype, 'execute').mockImplementation(function (this: PreparedExecution, ...args) {
    const responding = execute.apply(this, args);
    if (responding) prepared += 1;
    return responding;
  });
}

/** A response without what no two have in common: times, durations, ages, and ids of requests, errors and predictions. */
export interface ComparedResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export async function comparedResponse(response: Response): Promise<ComparedResponse> {
  const headers = Object.fromEntries(response.headers);
  for (const name of [
    'date',
    'x-request-id',
    'x-ratelimit-remaining',
    'x-ratelimit-reset',
    'etag',
    'age',
    'retry-after',
  ])
    if (name in headers) headers[name] = `<${name}>`;
  // Durations differ, but not the number of statements and calls.
  headers['server-timing'] = (headers['server-timing'] ?? '').replaceAll(/dur=[\d.]+/g, 'dur=0');
  const text = await response.text();
  const body = text
    .replaceAll(/prediction_[0-7][0-9a-z]{25}/g, '<prediction>')
    .replaceAll(/"durationMs":[\d.e-]+/g, '"durationMs":0')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>');
  delete headers['content-length'];
  return { status: response.status, headers, body };
}
