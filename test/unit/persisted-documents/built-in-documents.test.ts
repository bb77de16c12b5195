import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { buildSchema, parse, validate } from 'graphql';
import { hashOf, readDocumentId } from '../../../src/persisted-documents/document-request.js';
import { ownRelease } from '../../../src/domains/persisted-document/built-in-documents.js';

const schema = buildSchema(readFileSync(new URL('../../../schema/schema.graphql', import.meta.url), 'utf8'));

describe('built-in documents', () => {
  it.each(ownRelease.documents.map((document) => [document.id, document] as const))(
    '%s is valid on the schema, and named',
    (id, { text, hash, operationName }) => {
      expect(validate(schema, parse(text))).toEqual([]);
      expect([readDocumentId(id), hash]).toEqual([{ kind: 'name', name: id }, hashOf(text)]);
      expect(operationName).toMatch(/^[A-Z]\w+$/);
    },
  );

  it('have no mutations but signing in and out, setting a password by a link, publishing and retiring', () => {
    const fields = ownRelease.documents.map(({ text }) => /\{\s+(\w+)/.exec(text)?.[1]);
    expect(fields).toEqual(['login', 'refreshSession', 'logout', 'setPassword', 'publishDocuments', 'retireDocuments']);
  });
});
