import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { parseDatabaseUrl } from '../../src/config/connection-url.js';

const urlOf = (text: string): string => {
  const parsed = parseDatabaseUrl(text);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.url;
};
const problemOf = (text: string): string => {
  const parsed = parseDatabaseUrl(text);
  if ('url' in parsed) throw new Error(`accepted as ${parsed.url}`);
  return parsed.problem;
};

describe('the URL of a database', () => {
  it.each([
    'postgresql://user:password@host:5432/database',
    'postgres://host/database',
    'postgresql://user@[::1]:5432/database?sslmode=verify-full',
    'postgresql://u:p@%2Fvar%2Frun%2Fpostgresql:5433/database',
  ])('%s stays as it is', (url) => {
    expect(urlOf(url)).toBe(url);
  });

  it.each([
    ['postgresql:///db?host=/var/run/postgresql', ['/var/run/postgresql', 5432, 'db']],
    ['postgresql://me@/db?host=/run/pg&port=5433', ['/run/pg', 5433, 'db']],
    ['postgresql://u:p@/db?host=/cloudsql/project:region:instance', ['/cloudsql/project:region:instance', 5432, 'db']],
    ['postgresql://u:p@ignored/db?host=db.example.com&port=6432', ['db.example.com', 6432, 'db']],
    ['postgresql:///db?host=::1', ['::1', 5432, 'db']],
    ['postgresql://u:p@:6000/db?host=/run/pg', ['/run/pg', 6000, 'db']],
  ])('%s has the host, the port and the database of its query', (text, expected) => {
    const url = urlOf(text);
    const { host, port, database } = new pg.Client({ connectionString: url });
    expect([host, port, database]).toEqual(expected);
    // MikroORM reads it by this class.
    expect(decodeURIComponent(new URL(url).hostname).replace(/^\[|\]$/g, '')).toBe(expected[0]);
  });

  it.each(['a@b', 'a/b', 'a#b', '1#b', '1/b', '1?b', '100%', 'a%zz', '@', '%E9', 'a@b/c@d'])(
    'with the password %s gets advice to encode it, without a part of it',
    (password) => {
      expect(problemOf(`postgresql://user:${password}@host/database`)).toBe(
        'has a user or a password with a special character; percent-encode it: @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, % as %25',
      );
    },
  );

  it('accepts every password that is encoded, and no unencoded one is read as a host or database', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), (password) => {
        const url = urlOf(`postgresql://user:${encodeURIComponent(password.toWellFormed())}@host/database`);
        const client = new pg.Client({ connectionString: url });
        expect([client.host, client.database]).toEqual(['host', 'database']);
        const raw = parseDatabaseUrl(`postgresql://user:${password}@host/database`);
        if ('problem' in raw) expect(raw.problem).toMatch(/percent-encode/);
        else {
          const { host, database } = new pg.Client({ connectionString: raw.url });
          expect([host, database]).toEqual(['host', 'database']);
        }
      }),
    );
  });

  it.each([
    ['mysql://host/database', 'must be a URL that starts with postgres:// or postgresql://'],
    ['postgresql:///database', 'must name a host, or the folder of a socket as ?host=/var/run/postgresql'],
    ['postgresql://user:p@host', 'must name the database, as in postgresql://user:password@host:5432/database'],
    ['postgresql://user:p@host/', 'must name the database, as in postgresql://user:password@host:5432/database'],
    ['postgresql://one,two/database', 'must name one host; use DATABASE_REPLICA_URLS for replicas'],
    ['postgresql://host:port/database', 'is not a valid URL, or has a user or a password with a special character'],
  ])('%s is rejected', (url, problem) => {
    expect(problemOf(url)).toContain(problem);
  });
});
