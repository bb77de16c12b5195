import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * Lets Node run the gateway's TypeScript as it lies, outside jest and without a build: Node strips the types by itself and only
 * needs to be told that `./name.js` in an import is `./name.ts` on disk. Files with decorators are beyond it.
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
