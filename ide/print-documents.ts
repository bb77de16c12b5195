/* Writes the operations of the page as trusted documents: `node ide/print-documents.ts`. */
import { hash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ownOperations } from './operations.ts';

const file = path.join(import.meta.dirname, '..', 'schema', 'documents', 'graphiql', '1.json');
const manifest = Object.fromEntries(ownOperations.map((text) => [`sha256:${hash('sha256', text)}`, text]));
await mkdir(path.dirname(file), { recursive: true });
await writeFile(file, `${JSON.stringify(manifest, null, 2)}\n`);
