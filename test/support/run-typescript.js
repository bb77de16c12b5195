import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * Lets Node run TypeScript sources directly, outside jest and without a build. Node strips types itself; this hook
 * resolves `./name.js` in an import to `./name.ts`. Files with decorators are not supported.
 */
registerHooks({
  resolve(specifier, context, nextResolve) {
    return nextResolve(isTypeScript(specifier, context.parentURL) ? asTypeScript(specifier) : specifier, context);
  },
});

function isTypeScript(specifier, parentUrl) {
  if (!/^\.{1,2}\/.*\.js$/.test(specifier) || !parentUrl?.startsWith('file:')) return false;
  return existsSync(fileURLToPath(new URL(asTypeScript(specifier), parentUrl)));
}

function asTypeScript(specifier) {
  return specifier.replace(/\.js$/, '.ts');
}
