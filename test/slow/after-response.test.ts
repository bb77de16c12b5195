import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ResponseCache } from '../../src/graphql/caching/response-cache.js';
import { startGateway, type AnyData, type TestGateway } from '../support/gateway.js';
import { openEvents } from '../support/streams.js';
import { waitUntil } from '../support/wait-until.js';

let gateway: TestGateway | null = null;
afterEach(async () => {
  jest.restoreAllMocks();
  await gateway?.close();
});

/** Subscribes to `employeeChanged`, renames an employee, and returns both results. */
async function renameWhileSubscribed(subscribed: TestGateway): Promise<{ response: AnyData; event: AnyData }> {
  const { token } = await subscribed.signIn('admin');
  const { received } = await openEvents(subscribed.url, {
    headers: { authorization: `Bearer ${token}` },
    body: { query: 'subscription { employeeChanged { kind employee { name } } }' },
  });
  await waitUntil(() => subscribed.logs.some(({ msg }) => msg === 'stream opened'), 'The stream');
  const { data } = await subscribed.execute<AnyData>('admin', '{ employees(first: 1) { nodes { id } } }');
  const response = await subscribed.execute<AnyData>(
    'admin',
    'mutation ($id: ID!) { updateEmployee(id: $id, input: { name: "Ada Renamed" }) { name } }',
    { id: data.employees.nodes[0].id },
  );
  const event: AnyData = await received.next();
  received.stop();
  return { response, event };
}

const event = { data: { employeeChanged: { kind: 'UPDATED', employee: { name: 'Ada Renamed' } } } };

describe('employeeChanged', () => {
  it.each([
    ['no cache', { RESPONSE_CACHE: 'false', QUERY_CACHE: 'false' }],
    ['the query cache only', { RESPONSE_CACHE: 'false' }],
    ['the response cache', {}],
  ])('is published with %s', async (_which, environment) => {
    gateway = await startGateway(environment);
    expect((await renameWhileSubscribed(gateway)).event).toEqual(event);
  });

  it('is published after an invalidation that fails, which is logged and does not fail the mutation', async () => {
    gateway = await startGateway({ LOG_LEVEL: 'info' });
    const invalidate = jest.spyOn(ResponseCache.prototype, 'invalidate').mockRejectedValue(new Error('cache down'));
    const { response, event: published } = await renameWhileSubscribed(gateway);
    expect(invalidate).toHaveBeenCalledWith(expect.arrayContaining(['Employee']));
    expect(response.errors).toEqual([]);
    expect(published).toEqual(event);
    expect(gateway.logs).toContainEqual(expect.objectContaining({ msg: 'cache invalidation failed' }));
  });
});
