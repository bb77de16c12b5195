import pg from 'pg';

/** A database as messages name it: never with the password. */
export interface DatabaseAddress {
  database: string;
  /** Host and port, or the folder of a Unix domain socket. */
  server: string;
  user: string;
}

/** Reads the address as the driver does, with its defaults. */
export function addressOf(url: string): DatabaseAddress {
  const { searchParams } = new URL(url);
  // Read only for connections: they may not exist.
  const files = ['sslcert', 'sslkey', 'sslrootcert'].some((name) => searchParams.has(name));
  const { host, port, database, user } = new pg.Client({ connectionString: files ? withoutQuery(url) : url });
  return {
    database: database ?? '',
    server: host.startsWith('/') ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`,
    user: user ?? 'the default user',
  };
}

const withoutQuery = (url: string): string => url.split(/[?#]/, 1)[0] ?? '';
