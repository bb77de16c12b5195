import type { z } from 'zod';
import { ConfigError } from '../errors/operator-error.js';
import { configSchema, variables } from './schema.js';
import { withSecretFiles } from './secret-files.js';
import { unknownVariables } from './unknown-variables.js';
import { boolean } from './variable.js';

type Values = z.infer<ReturnType<typeof configSchema>>;

/** The configuration by subsystem. Only `main.ts` and scripts read it from the environment. */
export interface Config extends Values {
  isProduction: boolean;
  /** Lowest level of log lines about changes of models: a developer who adds a model must see that it is served. */
  modelLogLevel: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration from environment variables and secret files. An empty variable counts as absent.
 * @throws ConfigError that lists every invalid variable
 */
export function readConfig(env: Environment): Config {
  const secrets = withSecretFiles(env);
  const present = Object.fromEntries(
    Object.entries(secrets.env).filter(([, value]) => value !== undefined && value.trim() !== ''),
  );
  const isProduction = present.NODE_ENV === 'production';
  const parsed = configSchema({
    isProduction,
    hasDatabaseUrl: present.DATABASE_URL !== undefined,
    shutdownSeconds: Number(present.SHUTDOWN_SECONDS ?? defaultShutdownSeconds),
  }).safeParse(grouped(present));
  const problems = parsed.success ? [] : parsed.error.issues.map((issue) => `${nameAt(issue.path)} ${issue.message}`);
  problems.push(...secrets.problems);
  for (const name of ['JWT_SECRET', 'JWT_PREVIOUS_SECRET'])
    if (present[name] !== undefined) problems.push(...secretProblems(name, present[name]));
  for (const key of parsed.data?.mfa.encryptionKeys ?? []) problems.push(...secretProblems('MFA_ENCRYPTION_KEYS', key));
  if (parsed.success) problems.push(...combinationProblems(parsed.data));
  if (isProduction) problems.push(...productionProblems(present));
  // A misspelled name may be why a variable is missing.
  if (!parsed.success || problems.length > 0) throw new ConfigError([...problems, ...unknownVariables(env)]);
  const modelLogLevel = present.LOG_LEVEL === undefined ? 'info' : parsed.data.runtime.logLevel;
  return { ...parsed.data, isProduction, modelLogLevel };
}

const defaultShutdownSeconds = 20;

/** The present variables as the schema nests them. */
function grouped(present: Environment): Record<string, Record<string, string>> {
  const input: Record<string, Record<string, string>> = {};
  for (const { group, key, name } of variables) {
    const values = (input[group] ??= {});
    const value = present[name];
    if (value !== undefined) values[key] = value;
  }
  return input;
}

function nameAt([group, key]: readonly PropertyKey[]): string {
  return variables.find((variable) => variable.group === group && variable.key === key)?.name ?? String(key);
}

/** Values that are valid alone but not together. */
function combinationProblems({ http, runtime, oidc, mail }: Values): string[] {
  const problems = oidcProblems(oidc, http.publicUrl);
  if (mail.smtpUrl !== undefined && mail.from === undefined)
    problems.push('MAIL_FROM must be set with SMTP_URL, such as: Auspex <no-reply@example.com>');
  // Two servers on port 0 get different free ports.
  if (http.metricsPort === http.port && http.port !== 0)
    problems.push(`METRICS_PORT must differ from PORT, ${http.port}; remove it, or set another port`);
  if (http.redirectsToHttps && http.trustedProxies === 0)
    problems.push(
      'HTTPS_REDIRECT needs a trusted proxy that reports the protocol; set TRUST_PROXY to the number of proxies',
    );
  if (runtime.shutdownDelaySeconds >= runtime.shutdownSeconds)
    problems.push(
      `SHUTDOWN_DELAY_SECONDS must be less than SHUTDOWN_SECONDS, ${runtime.shutdownSeconds}, which includes it`,
    );
  return problems;
}

function oidcProblems(
  { issuer, clientId, apiAudience, roleClaim, roles }: Values['oidc'],
  publicUrl: string | undefined,
): string[] {
  const requires = (name: string, isSet: boolean, other: string, hasOther: boolean): string[] =>
    isSet && !hasOther ? [`${name} requires ${other}; set it, or remove ${name}`] : [];
  return [
    ...requires('OIDC_CLIENT_ID', clientId !== undefined, 'OIDC_ISSUER', issuer !== undefined),
    ...requires('OIDC_CLIENT_ID', clientId !== undefined, 'PUBLIC_URL', publicUrl !== undefined),
    ...requires('OIDC_API_AUDIENCE', apiAudience !== undefined, 'OIDC_ISSUER', issuer !== undefined),
    ...requires('OIDC_ROLE_CLAIM', roleClaim !== undefined, 'OIDC_ROLES', roles.length > 0),
    ...requires('OIDC_ROLES', roles.length > 0, 'OIDC_ROLE_CLAIM', roleClaim !== undefined),
    // An ID token, which has the client as its audience, would be accepted as an access token.
    ...(apiAudience !== undefined && apiAudience === clientId
      ? ['OIDC_API_AUDIENCE must differ from OIDC_CLIENT_ID, the audience of ID tokens']
      : []),
  ];
}

/** Settings that production requires or must allow explicitly. */
function productionProblems(env: Environment): string[] {
  const hasMail = (env.SMTP_URL ?? env.SMTP_URL_FILE) !== undefined;
  const isEmbeddedAllowed = boolean.schema.safeParse(env.ALLOW_EMBEDDED_DATABASE).data === true;
  const keyNames = ['JWT_SECRET', 'JWT_SECRET_FILE', 'JWT_PRIVATE_KEYS', 'JWT_PRIVATE_KEYS_FILE'];
  const hasKey = keyNames.some((name) => env[name] !== undefined);
  return [
    ...(hasKey ? [] : ['JWT_SECRET must be set in production; create one with: openssl rand -base64 48']),
    ...(env.DATABASE_URL || env.DATABASE_URL_FILE || isEmbeddedAllowed
      ? []
      : ['DATABASE_URL must be set in production; to use the embedded database, set ALLOW_EMBEDDED_DATABASE=true']),
    ...(env.REGISTRATION === 'open'
      ? [
          'REGISTRATION must not be open in production: it verifies no address, and shows which ones have accounts; set REGISTRATION=email and SMTP_URL, or invite users',
        ]
      : []),
    ...(env.REGISTRATION === 'email' && !hasMail ? ['REGISTRATION=email needs SMTP_URL in production'] : []),
    ...(hasMail && !env.PUBLIC_URL ? ['PUBLIC_URL must be set with SMTP_URL in production; links start with it'] : []),
  ];
}

function secretProblems(name: string, secret: string): string[] {
  const isWeak =
    secret.length < 32 || new Set(secret).size < 10 || /secret|password|changeme|change-me|example/i.test(secret);
  return isWeak ? [`${name} is weak; use at least 32 random characters: openssl rand -base64 48`] : [];
}
