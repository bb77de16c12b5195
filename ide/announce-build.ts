/* Says that `npm start` compiles first, which takes long once: `node ide/announce-build.ts`. */
import { existsSync } from 'node:fs';
import path from 'node:path';

const outputDir = path.join(import.meta.dirname, '..', 'dist');
if (!existsSync(path.join(outputDir, 'main.js')) || !existsSync(path.join(outputDir, 'ide')))
  process.stdout.write('Compiling the gateway and GraphiQL (only the first start takes this long)...\n');
