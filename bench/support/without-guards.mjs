/* Loaded by `node --import` into a gateway of the benchmark `guards`: replaces every check of a request by one that admits it. */
import { registerHooks } from 'node:module';

/** By the end of a module's URL: its exports that are replaced, or code that follows its own. */
const replacements = {
  'graphql/permissions/guard-schema.js': { guardSchema: '(schema) => schema', guardFields: '(fields) => fields' },
  'graphql/permissions/visibility.js': { filterReferences: '(schema) => schema', assertReferencesFiltered: '() => {}' },
  'graphql/server/query-limits.js': { queryLimits: '() => ({ begin: () => null })' },
  'http/allowed-hosts.js': { allowedHosts: '() => null' },
  'http/rate-limiter.js':
    'RateLimiter.prototype.admit = async () => {}; RateLimiter.prototype.rejectKeyGuessing = () => {};',
  'http/connection-limits.js': 'ConnectionGate.prototype.guard = () => {};',
  'auth/credential-changes.js': 'CredentialChanges.prototype.contradictionOf = () => null;',
};

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const [, replacement] = Object.entries(replacements).find(([path]) => url.endsWith(`/dist/${path}`)) ?? [];
    return replacement === undefined
      ? loaded
      : { ...loaded, source: replaced(String(loaded.source), replacement, url) };
  },
});

/** @throws Error if the module has none of these exports, because the benchmark would then compare equal gateways */
function replaced(source, replacement, url) {
  if (typeof replacement === 'string') {
    for (const [, type, method] of replacement.matchAll(/(\w+)\.prototype\.(\w+) =/g))
      if (!source.includes(`class ${type}`) || !source.includes(` ${method}(`))
        throw new Error(`${url} has no ${type}.${method}; correct bench/support/without-guards.mjs.`);
    return `${source}\n${replacement}`;
  }
  return Object.entries(replacement).reduce((text, [name, code]) => {
    const declaration = `export function ${name}(`;
    if (!text.includes(declaration))
      throw new Error(`${url} exports no ${name}; correct bench/support/without-guards.mjs.`);
    return `${text.replace(declaration, `function guarded_${name}(`)}\nexport const ${name} = ${code};`;
  }, source);
}
