import { describe, expect, it } from '@jest/globals';
import { chooseMediaType } from '../../../src/graphql/server/media-type.js';

const offered = ['application/json', 'application/graphql-response+json', 'text/event-stream'] as const;
const [json, graphql, events] = offered;

describe('the media type of a response', () => {
  it.each([
    [undefined, json],
    ['', json],
    ['*/*', json],
    ['application/*', json],
    ['text/*', events],
    [graphql, graphql],
    ['APPLICATION/GraphQL-Response+JSON', graphql],
    [`${graphql};charset=utf-8`, graphql],
    [`${json}, ${graphql}`, json],
    [`${graphql}, ${json}`, graphql],
    [`${graphql};q=0.5, ${json}`, json],
    [`${graphql}; Q=0.5, ${json};q=0.4`, graphql],
    [`${graphql};q = 0, ${json};q=0.001`, json],
    [`*/*, ${graphql}`, graphql],
    [`*/*, ${graphql};q=0.9`, json],
    [`application/*;q=0, ${graphql}`, graphql],
    [`application/*;q=0, */*`, events],
    [`${json};q=high, ${graphql};q=0.9`, json],
    [`text/html, , ${events};q=0.1`, events],
  ])('for Accept: %s is %s', (accept, type) => {
    expect(chooseMediaType(accept, offered)).toBe(type);
  });

  it.each([
    'text/html',
    'application/xml, image/*',
    `${json};q=0`,
    '*/*;q=0',
    '*/*;q=0.000',
    'nonsense',
    ';q=1',
    'application',
  ])('is none for Accept: %s', (accept) => {
    expect(chooseMediaType(accept, offered)).toBeNull();
  });

  it('is chosen in time linear in the length of the header', () => {
    const start = performance.now();
    for (const part of ['a/b,', ';q=', ' ', 'q', '*/*;'])
      expect(() => chooseMediaType(part.repeat(100_000), offered)).not.toThrow();
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
