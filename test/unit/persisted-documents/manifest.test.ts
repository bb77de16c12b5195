import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { hashOf, readDocumentId } from '../../../src/persisted-documents/document-request.js';
import { manifestLimits, readManifest } from '../../../src/persisted-documents/document-manifest.js';

const text = 'query Models { models { name } }';
const hash = hashOf(text);
const sha1 = createHash('sha1').update(text).digest('hex');
const operation = { id: hash, name: 'Models', type: 'query', body: text };
const apollo = (...operations: unknown[]) => ({ format: 'apollo-persisted-query-manifest', version: 1, operations });

describe('a manifest', () => {
  it('of the client preset is read with any hash', () => {
    expect(readManifest({ [`sha256:${hash}`]: text, [sha1]: text, 'a-name': '{ models { name } }' })).toEqual({
      documents: [
        { id: `sha256:${hash}`, text, hash, operationName: 'Models' },
        { id: sha1, text, hash, operationName: 'Models' },
        { id: 'a-name', text: '{ models { name } }', hash: hashOf('{ models { name } }'), operationName: null },
      ],
      problems: [],
    });
  });

  it('of Apollo is read', () => {
    expect(readManifest(apollo(operation))).toEqual({
      documents: [{ id: hash, text, hash, operationName: 'Models' }],
      problems: [],
    });
  });

  it('names every invalid entry at once', () => {
    const other = 'sha256:' + '0'.repeat(64);
    const { problems } = readManifest({
      good: text,
      'no id': text,
      [other]: text,
      ['0'.repeat(64)]: text,
      number: 12,
      empty: '',
      syntax: 'query {\n  models {',
      types: 'type A { b: Int }',
      fragment: 'fragment F on Query { models { name } }',
      character: 'query A { models { name } } # \0',
      lone: 'query A { models { name } } # \ud800',
      long: `{ models { name } } # ${'x'.repeat(manifestLimits.charactersPerDocument)}`,
      deep: `{ models { ${'a '.repeat(manifestLimits.tokensPerDocument)} } }`,
    });
    expect(Object.fromEntries(problems.map(({ entry, message }) => [entry, message]))).toEqual({
      'no id': expect.stringContaining('has an invalid ID: it must be "sha256:" and 64'),
      [other]: `has an ID that is not the SHA-256 of its text, which is ${hash}`,
      ['0'.repeat(64)]: `has an ID that is not the SHA-256 of its text, which is ${hash}`,
      number: 'must have a text',
      empty: expect.stringMatching(/^line 1: Syntax Error/),
      syntax: expect.stringMatching(/^line 2: Syntax Error/),
      types: 'defines types; a document contains operations and fragments',
      fragment: 'has no operation',
      character: 'contains a NUL or a lone surrogate',
      lone: 'contains a NUL or a lone surrogate',
      long: 'is longer than 100000 characters',
      deep: expect.stringContaining('more that 20000 tokens'),
    });
  });

  it.each([
    [
      'an entry without an id',
      apollo({ body: text }),
      { entry: 'operations[0]', message: 'must have an id, a name, a type and a body' },
    ],
    ['a duplicate id', apollo(operation, operation), { entry: hash, message: 'appears twice' }],
    [
      'a name that differs from the body',
      apollo({ ...operation, name: 'Others' }),
      { entry: hash, message: 'has no query named Others' },
    ],
    [
      'a type that differs from the body',
      apollo({ ...operation, type: 'mutation' }),
      { entry: hash, message: 'has no mutation named Models' },
    ],
    [
      'another format',
      { ...apollo(operation), format: 'something' },
      { entry: '', message: expect.stringContaining('"apollo-persisted-query-manifest"') },
    ],
    [
      'another version',
      { ...apollo(operation), version: 2 },
      { entry: '', message: expect.stringContaining('"version": 1') },
    ],
    ['nothing in it', {}, { entry: '', message: 'has no documents' }],
    ['no operations', apollo(), { entry: '', message: 'has no documents' }],
    ['a list', [text], { entry: '', message: expect.stringContaining('must be a JSON object') }],
    ['null', null, { entry: '', message: expect.stringContaining('must be a JSON object') }],
  ])('is rejected with %s', (_what, manifest, problem) => {
    expect(readManifest(manifest)).toEqual({ documents: [], problems: [problem] });
  });

  it('is bounded in number and size', () => {
    const many = Object.fromEntries(Array.from({ length: manifestLimits.documents + 1 }, (_, at) => [`d${at}`, text]));
    expect(readManifest(many).problems).toEqual([
      { entry: '', message: 'has 2001 documents; at most 2000 are allowed' },
    ]);
    const large = Object.fromEntries(
      Array.from({ length: 50 }, (_, at) => [`d${at}`, `${text} #${'x'.repeat(99_000)}`]),
    );
    expect(readManifest(large).problems).toEqual([
      { entry: '', message: expect.stringContaining('at most 4000000 are allowed') },
    ]);
    const invalid = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`d${at}`, '{']));
    expect(readManifest(invalid).problems).toHaveLength(100);
  });

  it('accepts names of object properties', () => {
    const { documents, problems } = readManifest(JSON.parse(`{ "constructor": "${text}", "__proto__": "${text}" }`));
    expect([documents.map(({ id }) => id), problems]).toEqual([['constructor', '__proto__'], []]);
  });
});

describe('an id', () => {
  it('is a SHA-256 with or without its prefix, or a name', () => {
    expect(readDocumentId(`sha256:${hash}`)).toEqual({ kind: 'sha256', hash });
    expect(readDocumentId(hash)).toEqual({ kind: 'sha256', hash });
    for (const name of [sha1, 'models', 'a.b-c_d~e', 'x-own:models', 'a'.repeat(200)])
      expect(readDocumentId(name)).toEqual({ kind: 'name', name });
  });

  it.each([
    [''],
    ['a b'],
    ['md5:abc'],
    ['sha256:'],
    [`sha256:${hash}0`],
    [`SHA256:${hash}`],
    ['x-:a'],
    ['a:b:c'],
    ['é'],
    ['a/b'],
    ['a'.repeat(201)],
    [12],
    [null],
    [{}],
    [`${hash}\n`],
  ])('is not %j', (given) => {
    expect(readDocumentId(given)).toBeNull();
  });

  it('is the hash of the text in the examples of the specification', () => {
    expect(hashOf('query ($id: ID!) {\n  user(id: $id) {\n    name\n  }\n}')).toBe(
      '7dba4bd717b41f10434822356a93c32b1fb4907b983e854300ad839f84cdcd6e',
    );
    expect(hashOf('query($id:ID!){user(id:$id){name}}')).toBe(
      '71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52b555286b',
    );
  });
});
