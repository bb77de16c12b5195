import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { buildSchema, graphql, isObjectType, parse, type GraphQLSchema } from 'graphql';
import { Forbidden } from '../../../src/errors/app-error.js';
import { chain, permit, type Permissions } from '../../../src/graphql/permissions/rules.js';
import { withAddedFields, type AddedField } from '../../../src/graphql/schema/added-fields.js';
import { declareReads, relatedReadsOf, readsOf } from '../../../src/graphql/schema/reads.js';

interface Owned {
  owner: string;
  secret: number;
}

interface Item {
  size: number;
  box: Owned | null;
}

const isOwn = permit<Owned>(({ parent }) => (parent.owner === 'me' ? true : new Forbidden('Not yours.')));
const isSmall = permit<Item>(({ parent }) => (parent.size < 10 ? true : new Forbidden('Too large.')));
const permissions: Permissions[] = [{ Box: { secret: chain(isOwn) } }, { Item: { size: isSmall } }];

const base = (): GraphQLSchema => {
  const schema = declareReads(
    buildSchema(`
      enum OnForbidden { FAIL NULL }
      type Query { items: [Item] }
      type Item { size: Int box: Box }
      type Box { owner: String secret: Int }`),
  );
  // What the rule of the field reads, too.
  const secret = fieldOf(schema, 'Box', 'secret');
  secret.extensions = { reads: ['secret', 'owner'] };
  return schema;
};

function fieldOf(schema: GraphQLSchema, typeName: string, name: string) {
  const type = schema.getType(typeName);
  const field = isObjectType(type) ? type.getFields()[name] : undefined;
  if (!field) throw new Error(`${typeName}.${name} is missing.`);
  return field;
}

const sum: AddedField = {
  type: 'Item',
  name: 'sum',
  lineage: [
    { type: 'Item', field: 'size' },
    { type: 'Item', field: 'box' },
    { type: 'Box', field: 'secret', objectOf: (item) => Promise.resolve((item as Item).box) },
  ],
  related: { box: { properties: ['secret'], reads: ['boxId'] } },
  cacheHint: { inheritMaxAge: true },
  model: 'adder',
  resolve: (item) => (item as Item).size + ((item as Item).box?.secret ?? 0),
};

const sdl = parse('extend type Item { sum(onForbidden: OnForbidden! = FAIL): Int }');

describe('an added field', () => {
  const schema = withAddedFields(base(), [{ sdl, fields: [sum] }], permissions);
  const sums = async (items: Item[], argument = '') => {
    const source = `{ items { size sum${argument} } }`;
    const { data, errors = [] } = await graphql({ schema, source, rootValue: { items }, contextValue: { viewer: {} } });
    return {
      sums: (data?.items as { sum: unknown }[]).map((item) => item.sum),
      errors: errors.map((one) => one.message),
    };
  };

  it('is guarded by the rules of the fields that it derives from, each with its object', async () => {
    const box = (owner: string) => ({ owner, secret: 5 });
    expect(
      await sums([
        { size: 1, box: box('me') },
        { size: 2, box: box('you') },
        { size: 20, box: box('me') },
        { size: 3, box: null },
      ]),
    ).toEqual({ sums: [6, null, null, 3], errors: ['Too large.', 'Not yours.'] });
    expect(await sums([{ size: 2, box: box('you') }], '(onForbidden: NULL)')).toEqual({ sums: [null], errors: [] });
  });

  it('reads what these fields and their rules read', () => {
    const field = fieldOf(schema, 'Item', 'sum');
    expect(readsOf(field)).toEqual(['size', 'box', 'boxId']);
    expect(relatedReadsOf(field)).toEqual([['box', ['secret', 'owner']]]);
    expect(field.extensions).toMatchObject({ isGuarded: true, computedBy: 'adder' });
  });

  it('is unguarded if nothing that it derives from has a rule', () => {
    const open = withAddedFields(base(), [{ sdl, fields: [sum] }], []);
    expect(fieldOf(open, 'Item', 'sum').extensions).not.toHaveProperty('isGuarded');
  });

  it('leaves the schema that it extends as it was', () => {
    const before = base();
    withAddedFields(before, [{ sdl, fields: [sum] }], permissions);
    expect(() => fieldOf(before, 'Item', 'sum')).toThrow('Item.sum is missing.');
  });

  it('needs fields that are in the schema', () => {
    const broken = { ...sum, lineage: [{ type: 'Item', field: 'weight' }] };
    expect(() => withAddedFields(base(), [{ sdl, fields: [broken] }], permissions)).toThrow(
      'Item.weight is not in the schema.',
    );
  });
});
