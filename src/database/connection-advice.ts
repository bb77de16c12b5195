import { systemErrorCode } from '../errors/system-error-code.js';
import type { DatabaseAddress } from './database-address.js';

/** A known cause of a failed connection. */
interface Cause {
  /** SQLSTATE or system error code. */
  code?: RegExp;
  message?: RegExp;
  /** Whether waiting does not help. */
  isPermanent?: true;
  remedy: (address: DatabaseAddress) => string;
}

/** Known causes; the first that matches counts. SQLSTATE by PostgreSQL, appendix A; PgBouncer reports most of its errors as 08P01. */
const causes: readonly Cause[] = [
  {
    message: /no encryption|SSL off|SSL required/i,
    isPermanent: true,
    remedy: () =>
      'the server requires SSL: add ?sslmode=verify-full to DATABASE_URL, and &sslrootcert=<file> for a private certificate authority',
  },
  {
    message: /server does not support SSL|error establishing an SSL connection/i,
    isPermanent: true,
    remedy: () => 'remove sslmode from DATABASE_URL, or enable SSL on the server',
  },
  {
    code: /CERT|_SIGNATURE|^ERR_TLS|^ERR_SSL/,
    isPermanent: true,
    remedy: () =>
      'name the file of its certificate authority by &sslrootcert=<file> in DATABASE_URL, and the host as in the certificate',
  },
  {
    code: /^08P01$/,
    message: /unsupported startup parameter/,
    isPermanent: true,
    remedy: () => 'remove this parameter from DATABASE_URL: the connection pooler rejects it',
  },
  {
    code: /^3D000$/,
    isPermanent: true,
    remedy: ({ database }) => `create it (createdb --encoding=UTF8 ${database}), or correct DATABASE_URL`,
  },
  {
    message: /no such database/,
    isPermanent: true,
    remedy: () => 'add it to the connection pooler, or correct DATABASE_URL',
  },
  {
    code: /^28P01$/,
    isPermanent: true,
    remedy: () => 'correct the user and the password in DATABASE_URL',
  },
  {
    message: /SASL|password|no such user|auth failed/i,
    isPermanent: true,
    remedy: () => 'correct the user and the password in DATABASE_URL',
  },
  {
    code: /^28/,
    isPermanent: true,
    remedy: ({ user }) => `create the role ${user} with login, and allow it in pg_hba.conf, or correct DATABASE_URL`,
  },
  {
    code: /^42501$/,
    isPermanent: true,
    remedy: ({ database, user }) => `grant connect on database "${database}" to "${user}"`,
  },
  {
    code: /^53300$/,
    remedy: () =>
      'close connections of other programs, lower DATABASE_POOL_SIZE, raise max_connections, or connect through a pooler',
  },
  {
    message: /connections allowed|query_wait_timeout/,
    remedy: () => 'raise max_client_conn and default_pool_size of the connection pooler, or lower DATABASE_POOL_SIZE',
  },
  { code: /^57P03$/, remedy: () => 'wait until the server accepts connections, and start again' },
  { code: /^(?:ENOTFOUND|EAI_AGAIN)$/, remedy: () => 'correct the host in DATABASE_URL, or its entry in the DNS' },
  {
    code: /^ENOENT$/,
    message: /open '/,
    isPermanent: true,
    remedy: () => 'correct the file in DATABASE_URL',
  },
  {
    code: /^(?:ENOENT|EACCES)$/,
    remedy: ({ server }) =>
      `start a server with a socket in ${server} that this user may open, or correct DATABASE_URL`,
  },
  {
    code: /^(?:ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/,
    remedy: () => 'check the host and the port in DATABASE_URL, the network and its firewalls',
  },
  {
    message: /timeout expired|connection timeout|read timeout/i,
    remedy: () => 'check the host and the port in DATABASE_URL, the network and its firewalls',
  },
];

/** Why a connection failed, and what to do about it. */
export interface ConnectionAdvice {
  /** Without the address and the password. */
  reason: string;
  remedy: string;
  /** Whether waiting does not help. */
  isPermanent: boolean;
}

/** Explains a failed connection. */
export function adviceOn(error: unknown, address: DatabaseAddress): ConnectionAdvice {
  const reason = reasonOf(error);
  const code = systemErrorCode(error) ?? '';
  const cause = causes.find((each) => (each.code?.test(code) ?? true) && (each.message?.test(reason) ?? true));
  return {
    reason,
    remedy: cause?.remedy(address) ?? 'start it, or correct DATABASE_URL',
    isPermanent: cause?.isPermanent ?? false,
  };
}

/** The message on one line; of an AggregateError, such as one per address of a host, all messages. */
const reasonOf = (error: unknown): string =>
  (error instanceof AggregateError ? error.errors.map(String).join('; ') : String(error)).replace(/\s+/g, ' ').trim();
