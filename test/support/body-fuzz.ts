import { parse, print, visit, getNamedType, isObjectType } from 'graphql';
import { callOf, document, idSelection, rootFields } from './access/schema.js';

/** Repeatable random numbers (mulberry32): the seed of a failing run finds the same bodies again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** @returns an integer from 0 to `bound`, exclusive */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  of<Value>(values: readonly Value[]): Value {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error('There is nothing to choose from.');
    return value;
  }
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** One valid body for each root field that ends no session, in several forms. */
export function validBodies(): Json[] {
  const endsSession = new Set(['Mutation.logout', 'Mutation.changePassword']);
  const operations = rootFields
    .filter(({ name }) => !endsSession.has(name))
    .map(({ operation, field }) => {
      const values = Object.fromEntries(field.args.filter(({ name }) => name === 'first').map(({ name }) => [name, 2]));
      const { declared, text, variables } = callOf(field, values);
      const type = getNamedType(field.type);
      const selection = isObjectType(type) ? idSelection(type, 2) : ' { __typename id }';
      return {
        query: document(operation, declared, `${text}${selection}`),
        variables: variables as Record<string, Json>,
      };
    });
  const [first = { query: '{ __typename }', variables: {} }] = operations;
  return [
    ...operations,
    { ...first, operationName: null, extensions: { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } } },
    { documentId: 'auspex-sign-in', variables: { email: 'a@example.com', password: 'wrong password' } },
    { query: 'query A { me { id } } query B { models { name } }', operationName: 'B' },
    {
      query: 'query ($yes: Boolean!) { me @include(if: $yes) { ...F } } fragment F on User { id email }',
      variables: { yes: true },
    },
    { query: '{ __schema { types { name fields { name } } } }' },
    operations.slice(0, 3),
  ];
}

const strange: readonly Json[] = [
  ...[null, true, false, 0, -1, 1e308, -0.5, 2 ** 53, [], {}, [[[[]]]], { a: { b: { c: null } } }],
  ...[
    '',
    ' ',
    '\0',
    '\ud800',
    '\u202e',
    '😀'.repeat(50),
    '__proto__',
    'constructor',
    "' or 1=1 --",
    '%_\\',
    '${1+1}',
    'x'.repeat(5_000),
  ],
  ...[
    'user_01h455vb4pex5vsknk084sn02q',
    'employee_',
    '2024-02-30',
    'Infinity',
    '{',
    '"',
    '\\u0000',
    'Did you mean '.repeat(20),
  ],
];

const names: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'query',
  'variables',
  'id',
  '',
  'a',
  'x'.repeat(300),
];

/** Pieces of documents and JSON. */
const pieces: readonly string[] = [
  ...[
    '{',
    '}',
    '(',
    ')',
    '[',
    ']',
    '"',
    "'",
    '\\',
    '$',
    '@',
    ':',
    ',',
    '!',
    '...',
    '#',
    '"""',
    '&',
    '|',
    '=',
    '\n',
    '\u0000',
    '\ufeff',
  ],
  ...[
    '@skip(if: true)',
    '@include(if: $x)',
    '... on Query',
    '__typename',
    'null',
    '-0',
    '1e999',
    '\\u{110000}',
    '{ a '.repeat(30),
    '[[',
  ],
];

/** A body that resembles a valid one: text, or bytes that are no UTF-8. */
export function mutatedBody(random: Random, valid: readonly Json[]): string | Buffer {
  const body = structuredClone(random.of(valid));
  const kind = random.below(10);
  if (kind < 4) return JSON.stringify(mutatedJson(random, body));
  if (kind < 7) return JSON.stringify(withDocument(body, (text) => mutatedText(random, text)));
  if (kind < 8) return JSON.stringify(withDocument(body, (text) => reshaped(random, text)));
  const text = mutatedText(random, JSON.stringify(body));
  return kind < 9 ? text : mutatedBytes(random, text);
}

/** Replaces, adds or removes up to three values anywhere. */
function mutatedJson(random: Random, value: Json): Json {
  let mutated = value;
  for (let left = 1 + random.below(3); left > 0; left -= 1) mutated = mutatedOnce(random, mutated);
  return mutated;
}

function mutatedOnce(random: Random, value: Json): Json {
  if (value === null || typeof value !== 'object' || random.below(6) === 0) return random.of(strange);
  if (Array.isArray(value)) {
    if (value.length === 0 || random.below(4) === 0) return [...value, random.of(strange)];
    const at = random.below(value.length);
    return value.map((item, index) => (index === at ? mutatedOnce(random, item) : item));
  }
  const keys = Object.keys(value);
  const fate = keys.length === 0 ? 0 : random.below(5);
  if (fate === 0) return Object.fromEntries([...Object.entries(value), [random.of(names), random.of(strange)]]);
  const key = random.of(keys);
  const rest = Object.entries(value).filter(([name]) => name !== key);
  if (fate === 1) return Object.fromEntries(rest);
  return Object.fromEntries([...rest, [key, mutatedOnce(random, value[key] ?? null)]]);
}

function withDocument(body: Json, change: (text: string) => string): Json {
  if (Array.isArray(body)) return body.map((one) => withDocument(one, change));
  if (body === null || typeof body !== 'object' || typeof body.query !== 'string') return body;
  return { ...body, query: change(body.query) };
}

/** Deletes, repeats, swaps or inserts up to four pieces. */
function mutatedText(random: Random, text: string): string {
  let mutated = text;
  for (let left = 1 + random.below(4); left > 0; left -= 1) {
    const at = random.below(mutated.length + 1);
    const end = Math.min(mutated.length, at + random.below(30));
    const slice = mutated.slice(at, end);
    const between = random.of([
      '',
      slice.repeat(2 + random.below(3)),
      random.of(pieces),
      `${random.of(pieces)}${slice}`,
      [...slice].reverse().join(''),
    ]);
    mutated = mutated.slice(0, at) + between + mutated.slice(end);
  }
  return mutated;
}

/** A valid document with other names: each change leaves the syntax right, so that validation and execution are reached. */
function reshaped(random: Random, text: string): string {
  const known = rootFields.flatMap(({ field }) => [field.name, ...field.args.map(({ name }) => name)]);
  const changed = visit(parse(text), {
    Name: (node) =>
      random.below(8) === 0 ? { ...node, value: random.of([...known, 'constructor', 'id', 'nodes']) } : undefined,
    Field: (node) => (random.below(12) === 0 ? { ...node, selectionSet: undefined } : undefined),
  });
  return print(changed);
}

function mutatedBytes(random: Random, text: string): Buffer {
  const bytes = Buffer.from(text);
  for (let left = 1 + random.below(8); left > 0; left -= 1) bytes[random.below(bytes.length)] = random.below(256);
  return bytes;
}

/** The problem of a response, or null: every body gets JSON, without an internal error. */
export function problemOf(status: number, text: string): string | null {
  if (status >= 500) return `status ${status}: ${text.slice(0, 300)}`;
  if (text.includes('INTERNAL_SERVER_ERROR')) return text.slice(0, 300);
  try {
    JSON.parse(text);
    return null;
  } catch {
    return `no JSON: ${text.slice(0, 300)}`;
  }
}

/**
 * Sends mutated bodies, eight at a time, with each credential in turn.
 * @returns the problems, with the body that caused each; at most ten
 */
export async function fuzz(
  url: string,
  { count, seed, authorizations }: { count: number; seed: number; authorizations: readonly string[] },
): Promise<{ problems: string[]; statuses: Map<number, number> }> {
  const [random, valid] = [new Random(seed), validBodies()];
  const problems: string[] = [];
  const statuses = new Map<number, number>();
  let left = count;
  const sendAll = async (): Promise<void> => {
    while (left > 0 && problems.length < 10) {
      left -= 1;
      const authorization = authorizations[left % authorizations.length] ?? '';
      const body = mutatedBody(random, valid);
      const headers = { 'content-type': 'application/json', ...(authorization === '' ? {} : { authorization }) };
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body: typeof body === 'string' ? body : new Uint8Array(body),
      });
      const problem = problemOf(response.status, await response.text());
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      if (problem !== null) problems.push(`${problem} for ${body.toString().slice(0, 2_000)}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, sendAll));
  return { problems, statuses };
}
