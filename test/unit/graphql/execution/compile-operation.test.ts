import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import {
  buildSchema,
  execute,
  parse,
  getVariableValues,
  type GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { compileOperation } from '../../../../src/graphql/execution/compile-operation.js';
import { readBy } from '../../../../src/graphql/execution/field-reader.js';
import { documentArbitrary, variablesArbitrary } from '../../../support/execution/random-document.js';
import { buildRandomSchema, rootOf, schemaArbitrary, type Calls } from '../../../support/execution/random-schema.js';

interface Result {
  text: string;
  errors: readonly GraphQLError[];
}

async function compiled(schema: GraphQLSchema, document: string, variables: Record<string, unknown>): Promise<Result> {
  const operation = compileOperation(schema, parse(document));
  if (!operation) throw new Error('The operation was not compiled.');
  const { coerced, errors } = getVariableValues(schema, operation.operation.variableDefinitions ?? [], variables);
  if (!coerced) throw new Error(errors.join());
  const result = await operation.execute({ contextValue: {}, rootValue: rootOf(schema), variableValues: coerced });
  return { text: result.text, errors: result.errors ?? [] };
}

async function interpreted(
  schema: GraphQLSchema,
  document: string,
  variables: Record<string, unknown>,
): Promise<Result> {
  const { data, errors = [] } = await execute({
    schema,
    document: parse(document),
    contextValue: {},
    rootValue: rootOf(schema),
    variableValues: variables,
  });
  return { text: JSON.stringify(data), errors };
}

const described = ({ text, errors }: Result): string => JSON.stringify({ text, errors }, null, 1);

// graphql-js leaves promises of a list unhandled if another item throws, which jest reports as failures of the test.
const { hostProcess } = globalThis as unknown as { hostProcess: NodeJS.Process };
let listeners: NodeJS.UnhandledRejectionListener[] = [];
beforeAll(() => {
  listeners = hostProcess.listeners('unhandledRejection');
  hostProcess.removeAllListeners('unhandledRejection').on('unhandledRejection', () => {});
});
afterAll(() => {
  hostProcess.removeAllListeners('unhandledRejection');
  for (const listener of listeners) hostProcess.on('unhandledRejection', listener);
});

describe('a compiled operation', () => {
  it('has the data, the errors in their order, and the calls of graphql-js', async () => {
    const seen = { errors: 0, data: 0 };
    await fc.assert(
      fc.asyncProperty(schemaArbitrary, documentArbitrary, variablesArbitrary, async (random, document, variables) => {
        const [calls, expectedCalls]: [Calls, Calls] = [{ log: [] }, { log: [] }];
        const expected = await interpreted(buildRandomSchema(random, expectedCalls), document, variables);
        const result = await compiled(buildRandomSchema(random, calls), document, variables);
        expect(described(result)).toBe(described(expected));
        // Resolvers are called after the result, too, if a field has made it null.
        await nextTurn();
        expect(calls.log).toEqual(expectedCalls.log);
        seen.errors += expected.errors.length;
        seen.data += expected.text.length;
      }),
      { numRuns: Number(process.env.NUM_RUNS ?? 250) },
    );
    expect(seen.errors).toBeGreaterThan(100);
    expect(seen.data).toBeGreaterThan(2_000);
  });

  it('reads a leaf without its resolver where that says how, and calls it for all other values', async () => {
    const schema = buildSchema('type Query { rows: [Row]! } type Row { price: Float! label: String }');
    const calls: unknown[] = [];
    const rowFields = (schema.getType('Row') as GraphQLObjectType).getFields();
    for (const [name, field] of Object.entries(rowFields)) {
      const resolve: GraphQLFieldResolver<{ at: Record<string, unknown> }, unknown> = (
        { at },
        _args,
        _context,
        info,
      ) => {
        calls.push([name, at[name], info.path.prev?.key]);
        if (at[name] === 'fail') throw new Error(`no ${name}`);
        return at[name];
      };
      field.resolve = readBy(resolve, ({ at }: { at: Record<string, unknown> }) => at[name]);
    }
    const rows = [
      { at: { price: 1.5, label: 'a "b"' } },
      { at: { price: -0, label: null } },
      { at: { price: 'fail', label: 'c' } },
      { at: { price: NaN, label: 'd' } },
      { at: { price: 2, label: 7 } },
    ];
    const document = parse('{ rows { price label } }');
    const result = await compileOperation(schema, document)?.execute({
      contextValue: {},
      rootValue: { rows },
      variableValues: {},
    });
    expect(calls).toEqual([
      ['label', null, 1],
      ['price', 'fail', 2],
      ['price', NaN, 3],
      ['label', 7, 4],
    ]);
    const expected = await execute({ schema, document, rootValue: { rows } });
    expect(result).toMatchObject({ text: JSON.stringify(expected.data), errors: expected.errors });
    expect(expected.errors).toHaveLength(2);
  });

  it('is written in turns of the event loop if it is large, with the text of graphql-js', async () => {
    const schema = buildSchema('type Query { rows: [Row!]! } type Row { index: Int! embedding: [Float!]! }');
    const embedding = Array.from({ length: 768 }, (_, index) => index / 7);
    const rows = Array.from({ length: 200 }, (_, index) => ({ index, embedding }));
    let turns = 0;
    let isDone = false;
    const countTurns = async (): Promise<void> => {
      for (; !isDone; turns += 1) await nextTurn();
    };
    const counted = countTurns();
    const document = parse('{ rows { index embedding } }');
    const { text } = (await compileOperation(schema, document)?.execute({
      contextValue: {},
      rootValue: { rows },
      variableValues: {},
    })) ?? { text: '' };
    isDone = true;
    await counted;
    expect(text).toBe(JSON.stringify((await execute({ schema, document, rootValue: { rows } })).data));
    // 2.8 MB in slices of 128 KB.
    expect(turns).toBeGreaterThan(15);
  });
});
