/** A URL in the one form that every part of the program reads, or what is wrong with it: never with a part of its text. */
export type ParsedUrl = { url: string } | { problem: string };

const encodingAdvice =
  'has a user or a password with a special character; percent-encode it: @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, % as %25';

/**
 * Finds characters of a user or a password that change the meaning of a URL, so that a part of the password would be read as
 * the host or the database, and logged.
 */
function credentialProblem(text: string): string | null {
  const { userinfo, path, query } = partsOf(text);
  const isShifted = text.includes('#') || path.includes('@') || (path === '' && query.includes('@'));
  const isAmbiguous = userinfo?.includes('@') === true;
  return isShifted || isAmbiguous || !isDecodable(userinfo ?? '') ? encodingAdvice : null;
}

/**
 * Parses the URL of a PostgreSQL database. A host or port in the query, as in `?host=/var/run/postgresql`, becomes that of the
 * URL, with the folder of a socket percent-encoded.
 */
export function parseDatabaseUrl(text: string): ParsedUrl {
  if (!/^postgres(?:ql)?:\/\//.test(text))
    return { problem: 'must be a URL that starts with postgres:// or postgresql://' };
  const problem = credentialProblem(text);
  if (problem !== null) return { problem };
  const { scheme, userinfo, host, path, query } = partsOf(text);
  const parameters = new URLSearchParams(query);
  const authority = authorityOf(host, parameters.get('host'), parameters.get('port'));
  if (authority === '') return { problem: 'must name a host, or the folder of a socket as ?host=/var/run/postgresql' };
  if (authority.includes(',')) return { problem: 'must name one host; use DATABASE_REPLICA_URLS for replicas' };
  if (path.length < 2)
    return { problem: 'must name the database, as in postgresql://user:password@host:5432/database' };
  for (const moved of ['host', 'port']) parameters.delete(moved);
  const rest = parameters.size > 0 ? `?${parameters}` : '';
  const url = `${scheme}${userinfo === null ? '' : `${userinfo}@`}${authority}${path}${rest}`;
  return URL.canParse(url) ? { url } : { problem: `is not a valid URL, or ${encodingAdvice}` };
}

/** Host and port of a URL, replaced by those of its query. */
function authorityOf(host: string, otherHost: string | null, otherPort: string | null): string {
  const [, name = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(host) ?? [];
  const chosenName = otherHost === null || otherHost === '' ? name : hostOf(otherHost);
  const chosenPort = otherPort === null || otherPort === '' ? port : otherPort;
  return chosenPort === '' || chosenName === '' ? chosenName : `${chosenName}:${chosenPort}`;
}

function hostOf(host: string): string {
  if (host.startsWith('/')) return encodeURIComponent(host);
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

interface UrlParts {
  /** With `://`. */
  scheme: string;
  userinfo: string | null;
  /** With the port. */
  host: string;
  path: string;
  query: string;
}

/** Splits a URL as RFC 3986 does, without decoding. */
function partsOf(text: string): UrlParts {
  const [, scheme = '', authority = '', path = '', query = ''] =
    /^([^:/?#]*:\/\/)?([^/?#]*)([^?#]*)(?:\?([^#]*))?/.exec(text) ?? [];
  const at = authority.lastIndexOf('@');
  return {
    scheme,
    userinfo: at === -1 ? null : authority.slice(0, at),
    host: authority.slice(at + 1),
    path,
    query,
  };
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
