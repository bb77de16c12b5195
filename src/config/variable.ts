import { z } from 'zod';
import { parseDatabaseUrl, type ParsedUrl } from './connection-url.js';
import { Role } from '../auth/viewer.js';
import { KeyTextError, parseKeyPairs, type AsymmetricKey } from '../auth/signing-keys.js';
import { parseRedisUrl, RedisUrlError } from '../redis/url.js';

/** What the documentation says about a variable. */
export interface VariableInfo {
  name: string;
  description: string;
  /** Allowed values, such as `integer from 0 to 65535`. */
  values: string;
  unit?: string | undefined;
  /** Whether `<name>_FILE` may name a file that holds the value, as Docker and Kubernetes provide secrets. */
  isSecret: boolean;
}

/** Properties of the environment on which defaults depend. */
export interface DefaultsContext {
  isProduction: boolean;
  hasDatabaseUrl: boolean;
  shutdownSeconds: number;
}

/** How the text of a variable is parsed, and the allowed values in words. */
interface VariableType<Value> {
  schema: z.ZodType<Value, string>;
  values: string;
}

interface VariableOptions {
  description: string;
  unit?: 'milliseconds' | 'seconds' | 'days' | 'bytes' | 'megabytes';
  isSecret?: boolean;
}

const infos = z.registry<VariableInfo>();

/** Declares an environment variable. Without a default it may be absent, and its value is then undefined. */
export function variable<Value>(
  name: string,
  type: VariableType<Value>,
  options: VariableOptions & { default: NoInfer<Value> },
): z.ZodType<Value>;
export function variable<Value>(
  name: string,
  type: VariableType<Value>,
  options: VariableOptions,
): z.ZodType<Value | undefined>;
export function variable<Value>(
  name: string,
  { schema, values }: VariableType<Value>,
  { description, unit, isSecret = false, ...rest }: VariableOptions & { default?: Value },
): z.ZodType<Value | undefined> {
  // A transform, because the types of zod's `default` do not accept a generic value.
  const value = rest.default;
  const declared: z.ZodType<Value | undefined> =
    value === undefined ? schema.optional() : schema.optional().transform((parsed) => parsed ?? value);
  infos.add(declared, { name, description, values, unit, isSecret });
  return declared;
}

/** @throws Error if the schema was not declared by `variable` */
export function variableInfo(schema: z.core.$ZodType): VariableInfo {
  const info = infos.get(schema);
  if (!info) throw new Error('Declare each variable of the configuration by `variable`.');
  return info;
}

const list = z.string().transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

const maxKeys = 10;
const longKey = z.string().min(32, 'must be keys of at least 32 characters, separated by commas');

export const text = (values = 'text'): VariableType<string> => ({ schema: z.string(), values });

export const boolean: VariableType<boolean> = {
  schema: z
    .enum(['true', 'false', '1', '0', 'yes', 'no'], 'must be true or false')
    .transform((value) => value === 'true' || value === '1' || value === 'yes'),
  values: 'true or false',
};

export function integer(minimum: number, maximum: number): VariableType<number> {
  const problem = `must be a whole number from ${minimum} to ${maximum}`;
  return {
    schema: z
      .string()
      .regex(/^\d{1,12}$/, problem)
      .transform(Number)
      .refine((value) => value >= minimum && value <= maximum, problem),
    values: `integer from ${minimum} to ${maximum}`,
  };
}

export function choice<const Name extends string>(...names: [Name, ...Name[]]): VariableType<Name> {
  // Not by `Intl.ListFormat`, which takes 16 ms and 7 MB.
  const listed = names.join(', ').replace(/, (?=[^,]*$)/, ' or ');
  return { schema: z.enum(names, `must be ${listed}`), values: `one of ${names.join(', ')}` };
}

/** A name that may stand in a URI of authenticator apps, where a colon separates it from the account. */
export const issuerName: VariableType<string> = {
  schema: z.string().regex(/^[^:]{1,64}$/, 'must have 1 to 64 characters, without a colon'),
  values: '1 to 64 characters without a colon',
};

/** Lower and upper case differ: the name is always quoted. */
export const schemaName: VariableType<string> = {
  schema: z
    .string()
    .regex(
      /^(?!pg_|information_schema$)[a-zA-Z_]\w{0,62}$/,
      'must be up to 63 letters, digits and underscores, begin with no digit, and name no schema of PostgreSQL itself (pg_..., information_schema)',
    ),
  values: 'up to 63 letters, digits and underscores',
};

/** Any of the names, separated by commas. */
export function choices<const Name extends string>(...names: [Name, ...Name[]]): VariableType<Name[]> {
  const problem = `must be any of ${names.join(', ')}, separated by commas`;
  return {
    schema: list.pipe(z.array(z.enum(names, problem))),
    values: `any of ${names.join(', ')}, separated by commas`,
  };
}

/** Keys of at least 32 characters, separated by commas; the first one is in use, the others are former ones. */
export const keys: VariableType<string[]> = {
  schema: list.pipe(
    z
      .tuple([longKey], longKey, 'must be one or more keys, separated by commas')
      .refine((values) => values.length <= maxKeys, `must be at most ${maxKeys} keys`),
  ),
  values: 'keys of at least 32 random characters, separated by commas',
};

/** Booleans count as 0 and 1. */
export function count(maximum: number, problem: string): VariableType<number> {
  return {
    schema: z.union([boolean.schema.pipe(z.transform(Number)), integer(0, maximum).schema], problem),
    values: `true, false, or integer from 0 to ${maximum}`,
  };
}

export const url = (...protocols: string[]): VariableType<string> => ({
  schema: z
    .string()
    .refine((value) => isUrl(value, protocols), `must be a URL that starts with ${prefixes(protocols)}`),
  values: `URL that starts with ${prefixes(protocols)}`,
});

export const redisUrl: VariableType<string> = {
  schema: z.string().superRefine((value, context) => {
    try {
      parseRedisUrl(value);
    } catch (error) {
      if (!(error instanceof RedisUrlError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
    }
  }),
  values: 'URL that starts with redis://, rediss://, unix: or redis+unix:',
};

export const keyPairs: VariableType<AsymmetricKey[]> = {
  schema: z.string().transform((value, context) => {
    try {
      return parseKeyPairs(value);
    } catch (error) {
      if (!(error instanceof KeyTextError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  }),
  values: 'private keys in PEM form, RSA or Ed25519; keys after the first may be public',
};

const databasePrefixes = prefixes(['postgres:', 'postgresql:']);

export const databaseUrl: VariableType<string> = {
  schema: parsedBy(parseDatabaseUrl),
  values: `URL that starts with ${databasePrefixes}`,
};

export const databaseUrls = (maximum: number): VariableType<string[]> => ({
  schema: list
    .refine((values) => values.length <= maximum, `must be at most ${maximum} URLs, separated by commas`)
    .pipe(z.array(parsedBy(parseDatabaseUrl))),
  values: `up to ${maximum} URLs, separated by commas, that start with ${databasePrefixes}`,
});

function parsedBy(parse: (text: string) => ParsedUrl): z.ZodType<string, string> {
  return z.string().transform((value, context) => {
    const parsed = parse(value);
    if ('url' in parsed) return parsed.url;
    context.addIssue({ code: 'custom', message: parsed.problem });
    return z.NEVER;
  });
}

export const origins: VariableType<string[]> = {
  schema: list.refine(
    (values) => values.every((value) => isOrigin(value)),
    'must be origins such as https://app.example.com, separated by commas, without a path; http://localhost:* is any port',
  ),
  values: 'origins, separated by commas; `:*` is any port',
};

/** A name or an IPv6 address in brackets, without scheme and port; `*.` stands for subdomains, `*` for every host. */
const hostPattern = /^(?:\*|(?:\*\.)?[a-z\d_-]+(?:\.[a-z\d_-]+)*|\[[\da-f:.]+\])$/;

export const hosts: VariableType<string[]> = {
  schema: list
    .transform((values) => values.map((value) => value.toLowerCase()))
    .refine(
      (values) => values.every((value) => hostPattern.test(value) && isCanonicalHost(value)),
      'must be host names such as api.example.com, separated by commas, without scheme and port; *.example.com is any subdomain, * any host',
    ),
  values: 'host names, separated by commas; `*.` is any subdomain, `*` any host',
};

/** A host in another form, such as 127.1, would match no request. */
function isCanonicalHost(value: string): boolean {
  const name = value.startsWith('*.') ? value.slice(2) : value;
  return name === '*' || URL.parse(`http://${name}`)?.host === name;
}

/** Text of a form that `values` describes. */
export const pattern = (form: RegExp, values: string): VariableType<string> => ({
  schema: z.string().regex(form, `must be ${values}`),
  values,
});

/** A path of names, with dots between them; a name may itself contain dots, as URLs do. */
export const names = pattern(/^\w[\w.:/-]{0,99}$/, 'a name, or names of nested objects with dots between them');

const urlProblem =
  'must be a URL with https, or with http on this machine, without user, query and fragment, of up to 500 characters';

const maxUrlLength = 500;

const isLoopbackOrHttps = (value: string): boolean => {
  const { protocol, hostname, username, password, search, hash } = URL.parse(value) ?? {};
  const isAllowed =
    protocol === 'https:' || (protocol === 'http:' && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(hostname ?? ''));
  // A page to return to is stored in a cookie, which browsers limit to 4096 bytes.
  return isAllowed && value.length <= maxUrlLength && [username, password, search, hash].every((part) => part === '');
};

export const loopbackOrHttpsUrl: VariableType<string> = {
  schema: z.string().refine(isLoopbackOrHttps, urlProblem),
  values: 'URL with https, or with http on this machine',
};

export const loopbackOrHttpsUrls = (maximum: number): VariableType<string[]> => ({
  schema: list.refine(
    (values) => values.length <= maximum && values.every(isLoopbackOrHttps),
    `${urlProblem}, or up to ${maximum} of them, separated by commas`,
  ),
  values: `up to ${maximum} URLs with https, or with http on this machine, separated by commas`,
});

export const listOf = (allowed: readonly string[]): VariableType<string[]> => ({
  schema: list.refine(
    (values) => values.length > 0 && values.every((value) => allowed.includes(value)),
    `must be one or more of ${allowed.join(', ')}, separated by commas`,
  ),
  values: `one or more of ${allowed.join(', ')}, separated by commas`,
});

/** A role for each value of a claim. */
export type RoleMapping = { role: Role; value: string }[];

export const roleMapping: VariableType<RoleMapping> = {
  schema: list.transform((entries, context) =>
    entries.map((entry) => {
      const { role, value = '' } = /^(?<role>ADMIN|MANAGER)=(?<value>[^=]{1,200})$/.exec(entry)?.groups ?? {};
      if (role === undefined)
        context.addIssue({
          code: 'custom',
          message: 'must be pairs such as ADMIN=group-of-administrators, separated by commas',
        });
      return { role: role === 'ADMIN' ? Role.ADMIN : Role.MANAGER, value: value.trim() };
    }),
  ),
  values: 'pairs such as `ADMIN=auspex-admins,MANAGER=team-leads`',
};

function prefixes(protocols: readonly string[]): string {
  return protocols.map((protocol) => `${protocol}//`).join(' or ');
}

const isUrl = (value: string, protocols: readonly string[]): boolean => {
  const parsed = URL.parse(value);
  return parsed !== null && protocols.includes(parsed.protocol) && parsed.hostname !== '';
};

/** As browsers send it: scheme and host, with the port unless it is the scheme's default; `*` is any port. */
function isOrigin(value: string): boolean {
  const base = value.endsWith(':*') ? value.slice(0, -2) : value;
  const origin = /:\d{1,10}$/.test(base) ? value : base;
  return /^https?:[^*]+$/.test(origin) && URL.parse(origin)?.origin === origin;
}
