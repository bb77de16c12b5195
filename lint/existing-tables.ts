import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The domains that `npm run new:type -- --table` has written: names and comments in them are those of a database of other people. */
export const existingTables: readonly { folder: string; type: string; text: string }[] = (() => {
  const domainsDir = path.join(import.meta.dirname, '..', 'src', 'domains');
  return readdirSync(domainsDir).flatMap((folder) => {
    const file = path.join(domainsDir, folder, `${folder}.entity.ts`);
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const type = /@ExistingTable\([\s\S]{0,10000}?export class (\w{1,100})/.exec(text)?.[1];
    return type === undefined ? [] : [{ folder: `src/domains/${folder}/`, type, text }];
  });
})();
