import { describe, expect, it } from '@jest/globals';
import { buildSchema, parse, validate } from 'graphql';
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ownOperations } from '../../../ide/operations.js';

const schemaDir = path.join(import.meta.dirname, '..', '..', '..', 'schema');

describe('operations of the IDE', () => {
  it('are trusted documents (update with: node ide/print-documents.ts)', async () => {
    const published = JSON.parse(
      await readFile(path.join(schemaDir, 'documents', 'graphiql', '1.json'), 'utf8'),
    ) as Record<string, string>;
    expect(published).toEqual(
      Object.fromEntries(ownOperations.map((text) => [`sha256:${hash('sha256', text)}`, text])),
    );
  });

  it('are valid in the schema', async () => {
    const schema = buildSchema(await readFile(path.join(schemaDir, 'schema.graphql'), 'utf8'));
    for (const text of ownOperations) expect(validate(schema, parse(text))).toEqual([]);
  });
});
