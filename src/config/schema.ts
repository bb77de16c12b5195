import { z } from 'zod';
import { auth, documents, graphql, loginThrottle, mfa, queryLimits, subscriptions } from './schema/api.js';
import { database, exchangeRates, queryCache, redis, responseCache } from './schema/data.js';
import { mail } from './schema/mail.js';
import { inference } from './schema/inference.js';
import { oidc } from './schema/oidc.js';
import { http, rateLimits, runtime } from './schema/server.js';
import { variableInfo, type DefaultsContext, type VariableInfo } from './variable.js';

/** The whole configuration, grouped by subsystem. */
export const configSchema = (context: DefaultsContext) =>
  z.object({
    runtime: runtime(context),
    http: http(context),
    rateLimits: rateLimits(),
    database: database(context),
    redis: redis(),
    auth: auth(context),
    oidc: oidc(),
    mfa: mfa(),
    loginThrottle: loginThrottle(),
    mail: mail(),
    graphql: graphql(context),
    queryLimits: queryLimits(),
    documents: documents(),
    responseCache: responseCache(),
    queryCache: queryCache(),
    subscriptions: subscriptions(),
    inference: inference(),
    exchangeRates: exchangeRates(),
  });

export interface DeclaredVariable extends VariableInfo {
  group: string;
  key: string;
  /** Heading of the group. */
  title: string;
}

/** Every variable, in the order of the documentation. Names do not depend on the context. */
export const variables: readonly DeclaredVariable[] = Object.entries(
  configSchema({ isProduction: false, hasDatabaseUrl: false, shutdownSeconds: 20 }).shape,
).flatMap(([group, { shape, description = group }]) =>
  Object.entries<z.core.$ZodType>(shape).map(([key, schema]) => ({
    ...variableInfo(schema),
    group,
    key,
    title: description,
  })),
);

export const variableNames: readonly string[] = variables.map(({ name }) => name);

/** Names of the variables that may be set by `<name>_FILE`. */
export const secretNames: readonly string[] = variables.flatMap(({ name, isSecret }) => (isSecret ? [name] : []));

export const secretFileVariables: readonly string[] = secretNames.map((name) => `${name}_FILE`);
