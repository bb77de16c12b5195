/** Where a Redis server is, and how to sign in. */
export interface RedisTarget {
  socket: { host: string; port: number; tls: boolean } | { path: string };
  username?: string;
  password?: string;
  database: number;
}

/** Why a URL of Redis cannot be used, and what to write instead; never a part of the URL, which may hold a password. */
export class RedisUrlError extends Error {}

const forms = 'redis://host:6379/0, rediss://host:6379 for TLS, or unix:///run/redis.sock?db=0';
const defaultPort = 6379;

/** The limit of macOS; that of Linux is 107 bytes. */
const maxSocketPathBytes = 103;

type ParameterName = 'db' | 'username' | 'password';

/** Names of parameters as clients of Redis write them. */
const parameterNames = new Map<string, ParameterName>([
  ['db', 'db'],
  ['user', 'username'],
  ['username', 'username'],
  ['pass', 'password'],
  ['password', 'password'],
]);

/**
 * Parses `redis://`, `rediss://`, `unix:` and `redis+unix:` with user, password and database.
 * @throws RedisUrlError
 */
export function parseRedisUrl(text: string): RedisTarget {
  const url = text.trim();
  const scheme = /^[a-z][a-z\d+.-]*(?=:)/i.exec(url)?.[0].toLowerCase() ?? '';
  const rest = url.slice(scheme.length + 1);
  if (scheme === 'redis' || scheme === 'rediss') return serverOf(rest, scheme === 'rediss');
  if (scheme === 'unix' || scheme === 'redis+unix') return socketOf(rest);
  if (/cluster|sentinel/.test(scheme))
    throw new RedisUrlError(`names a cluster or Sentinel, which are not supported; name one server: ${forms}`);
  throw new RedisUrlError(`must be a URL such as ${forms}`);
}

function serverOf(rest: string, tls: boolean): RedisTarget {
  if (!rest.startsWith('//')) throw new RedisUrlError(`must be a URL such as ${forms}`);
  const { credentials, host: named, path, parameters } = partsOf(rest);
  if (named.includes(',')) throw new RedisUrlError('names several hosts; name one server: redis://host:6379');
  const [, host = '', port] = /^(\[[\da-f:.]+\]|[^\s:[\]%\\]+)(?::(\d{1,5}))?$/i.exec(named) ?? [];
  if (host === '') throw new RedisUrlError('must name a host, and a port if it is not 6379: redis://host:6379');
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    throw new RedisUrlError('must have a port from 1 to 65535: redis://host:6379');
  if (path.length > 1 && parameters.has('db'))
    throw new RedisUrlError('has the database in the path and in db; write it once: redis://host:6379/0');
  return {
    socket: { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port ?? defaultPort), tls },
    ...signInWith(credentials, parameters),
    database: databaseOf(path.length > 1 ? path.slice(1) : parameters.get('db')),
  };
}

function socketOf(rest: string): RedisTarget {
  const { credentials, host, path: encoded, parameters } = partsOf(rest);
  if (host !== '' && host !== 'localhost')
    throw new RedisUrlError('must have three slashes before the path of a socket: unix:///run/redis.sock');
  const path = decoded(encoded);
  if (!path.startsWith('/') || path.length < 2 || path.includes('\0'))
    throw new RedisUrlError('must have the absolute path of a socket: unix:///run/redis.sock');
  if (Buffer.byteLength(path) > maxSocketPathBytes)
    throw new RedisUrlError(`has a socket path of more than ${maxSocketPathBytes} bytes; use a shorter one`);
  return { socket: { path }, ...signInWith(credentials, parameters), database: databaseOf(parameters.get('db')) };
}

interface Parts {
  /** `user:password`, percent-encoded; null if absent. */
  credentials: string | null;
  /** With the port. */
  host: string;
  path: string;
  parameters: ReadonlyMap<ParameterName, string>;
}

/** @param rest what follows the scheme and its colon */
function partsOf(rest: string): Parts {
  const [beforeQuery, query = ''] = splitOnce(rest, '?');
  const hasAuthority = beforeQuery.startsWith('//');
  const [authority = '', afterSlash] = hasAuthority ? splitOnce(beforeQuery.slice(2), '/') : [];
  const at = authority.lastIndexOf('@');
  const path = afterSlash === undefined ? '' : `/${afterSlash}`;
  // An @ after the host, or any #: a password ended the host early.
  if (rest.includes('#') || (at < 0 && rest.includes('@')))
    throw new RedisUrlError(
      'has a special character outside its place; percent-encode those of the user and the password: / as %2F, ? as %3F, # as %23, @ as %40',
    );
  return {
    credentials: at < 0 ? null : authority.slice(0, at),
    host: authority.slice(at + 1),
    path: hasAuthority ? path : beforeQuery,
    parameters: parametersOf(query),
  };
}

/** The text before and after the first separator; the second is absent without one. */
function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

function parametersOf(query: string): Parts['parameters'] {
  const parameters = new Map<ParameterName, string>();
  for (const parameter of query.split('&').filter((one) => one !== '')) {
    const [key, value = ''] = splitOnce(parameter, '=');
    const name = parameterNames.get(key);
    if (name === undefined)
      throw new RedisUrlError(
        'has parameters other than db, username and password, which are not supported; remove them',
      );
    if (parameters.has(name)) throw new RedisUrlError(`has ${name} twice; write it once`);
    parameters.set(name, decoded(value));
  }
  return parameters;
}

function signInWith(
  credentials: string | null,
  parameters: Parts['parameters'],
): Pick<RedisTarget, 'username' | 'password'> {
  const inParameters = [parameters.get('username') ?? '', parameters.get('password') ?? ''];
  if (credentials !== null && inParameters.some((value) => value !== ''))
    throw new RedisUrlError('has the user or password twice; write them before the host or as parameters');
  const [username = '', password = ''] =
    credentials === null ? inParameters : splitOnce(credentials, ':').map((part = '') => decoded(part));
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function databaseOf(text = '0'): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RedisUrlError(
    'must have a database number, from 0 to 15 unless Redis is configured with more: redis://host:6379/0',
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RedisUrlError('has a malformed percent-encoding; write % itself as %25');
  }
}
