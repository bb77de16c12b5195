/** A request that costs as much as its sender can make it, without a credential. */
export interface HostileRequest {
  name: string;
  /** The JSON body, or text that resembles JSON. */
  body: string;
  accept?: string;
}

/** A text that no response may contain, as of a password in the wrong place. */
export const secret = 'hunter2-hunter2';

const login = 'mutation ($i: LoginInput!) { login(input: $i) { accessToken } }';

const json = (query: string, variables?: object, more: object = {}): string =>
  JSON.stringify({ query, variables, ...more });

const repeated = (text: string, size: number): string => text.repeat(Math.max(1, Math.floor(size / text.length)));

const names = (count: number, prefix = 'x'): string[] =>
  Array.from({ length: count }, (_none, index) => `${prefix}${index}`);

const unknownFields = (count: number): object => Object.fromEntries(names(count).map((name) => [name, 1]));

/** Requests of about `size` bytes, one for each kind of error and of text that the gateway reads. */
export function hostileRequests(size: number): HostileRequest[] {
  const long = repeated('A', size);
  const fragments = names(60, 'F');
  return [
    ['suggestions in a variable', json(login, { i: { email: [repeated('Did you mean ', size)], password: secret } })],
    ['unknown fields of a variable', json(login, { i: { email: long, password: secret, ...unknownFields(60) } })],
    [
      'quotes in a variable',
      json(login, { i: { email: repeated('"', size / 2), password: secret, ...unknownFields(60) } }),
    ],
    ['many unknown fields', json(login, { i: unknownFields(Math.floor(size / 12)) })],
    ['a long name of a field', json(login, { i: { [long]: 1, email: [secret], password: secret } })],
    ['a list for a password', json(login, { i: { email: 'a@example.com', password: [secret, long] } })],
    ['many undeclared variables', json('{ __typename }', unknownFields(Math.floor(size / 12)))],
    [
      'a list of invalid items',
      json('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: Array.from({ length: size / 3 }, () => ({})) }),
    ],
    ['spaces around an e-mail address', json(login, { i: { email: repeated(' ', size), password: secret } })],
    ['dots in an e-mail address', json(login, { i: { email: `a@${repeated('a.', size)}`, password: secret } })],
    ['a long id', json('query ($id: ID!) { node(id: $id) { id } }', { id: long })],
    ['a long name of a model', json('query ($m: String!) { model(name: $m) { name } }', { m: long })],
    [
      'the name of an operation in errors',
      json(`query ${long} (${names(120, '$a').join(': Int ')}: Int) { __typename }`),
    ],
    ['an unknown field', json(`{ ${long} }`)],
    ['many unknown fields of a document', json(`{ ${names(990).join(' ')} }`)],
    ['an unknown argument', json(`{ employees(${long}: 1) { totalCount } }`)],
    ['a string for a number', json(`{ employees(first: "${secret}${long}") { totalCount } }`)],
    [
      'a list for a number',
      json(`{ employees(first: [${repeated(`"${secret}" `, Math.min(size, 20_000))}]) { totalCount } }`),
    ],
    ['a long number', json(`{ employees(first: ${repeated('1', size)}) { totalCount } }`)],
    ['a string in a syntax error', json(`{ "${secret}${long}" }`)],
    ['a block string of lines', json(`{ employees(first: """${secret}\n${repeated('\n ', size)}""") { totalCount } }`)],
    ['escapes in a string', json(`{ employees(first: "${repeated('\\u0041', size)}") { totalCount } }`)],
    ['comments', json(`${repeated('#\n', size)}{ nothing }`)],
    ['commas', json(`${repeated(',', size)}{ nothing }`)],
    ['an unterminated string', json(`{ a(b: "${long}`)],
    ['deep nesting', json(repeated('{ a ', size))],
    ['repeated fields', json(`{ ${repeated('me { id } ', 4_900)} }`)],
    ['permitted repetitions', json(`{ me { ${'id '.repeat(100)} } }`)],
    ['directives', json(`{ __typename ${'@aa'.repeat(900)} }`)],
    [
      'fragments in fragments',
      json(
        `{ ...F0 } ${fragments.map((name, at) => `fragment ${name} on Query { ...F${at + 1} ...F${at + 1} }`).join(' ')}`,
      ),
    ],
    [
      'cycles of fragments',
      json(
        `{ ...F0 } ${fragments
          .map(
            (name, at) =>
              `fragment ${name} on Query { ${fragments
                .slice(at % 7, (at % 7) + 8)
                .map((other) => `...${other}`)
                .join(' ')} }`,
          )
          .join(' ')}`,
      ),
    ],
    ['an id of a document', JSON.stringify({ documentId: long })],
    ['a hash of a document', json('{ a }', {}, { extensions: { persistedQuery: { version: 1, sha256Hash: long } } })],
    ['the name of an operation', json('{ __typename }', {}, { operationName: long })],
    ['quotes in a body that is not JSON', `"${repeated('\\"', size)}`],
    ['words in a body that is not JSON', `[${repeated('Na,', size)}`],
    ['brackets', repeated('[', size)],
    ['spaces in a body', `${repeated(' ', size)}x`],
  ].map(([name = '', body = '']) => ({ name, body: body.slice(0, 1_048_576) }));
}
