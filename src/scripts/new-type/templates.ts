import type { TypeNames } from './names.js';

/** The files of a new domain and its test: paths from the project's folder, with their texts. */
export function filesOf(names: TypeNames): Record<string, string> {
  const { folder, fields } = names;
  const file = (part: string): string => `src/domains/${folder}/${folder}.${part}.ts`;
  return {
    [file('entity')]: entity(names),
    [file('types')]: types(names),
    [file('queries')]: queries(names),
    [file('loaders')]: loaders(names),
    [file('service')]: service(names),
    [file('permissions')]: permissions(names),
    [file('resolver')]: resolver(names),
    [`src/domains/${folder}/index.ts`]: index(names),
    [`test/integration/${kebab(fields)}.test.ts`]: test(names),
  };
}

const kebab = (name: string): string => name.replaceAll(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);

const entity = ({ type, table, noun }: TypeNames): string => `import type { Opt } from '@mikro-orm/core';
import { Entity, Index, Property } from '@mikro-orm/decorators/legacy';
import { Field, ObjectType } from 'type-graphql';
import { BaseEntity } from '../../database/base.entity.js';
import type { Columns } from '../../database/tables.js';
import { Node } from '../../graphql/relay/node.js';
import { GraphQLDateTime } from '../../graphql/schema/scalars.js';

@ObjectType({ simpleResolvers: true, implements: Node, description: 'A ${noun}.' })
@Entity({ tableName: '${table}' })
@Index({ properties: ['name', 'id'] })
export class ${type} extends BaseEntity {
  @Field({ description: 'The name, up to 100 characters; unique.' })
  @Property({ length: 100, unique: true, collation: 'C' })
  name!: string;

  @Field(() => GraphQLDateTime, { description: 'Time of creation.' })
  declare createdAt: Opt<Date>;

  @Field(() => GraphQLDateTime, { description: 'Time of the last update.' })
  declare updatedAt: Opt<Date>;
}

declare module '../../database/tables.js' {
  interface Tables {
    ${table}: Columns<${type}>;
  }
}
`;

const types = ({
  type,
  field,
  folder,
  noun,
  nouns,
}: TypeNames): string => `import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { RowOf } from '../../database/rows.js';
import { singleLine } from '../../errors/input-validation.js';
import { connectionType } from '../../graphql/relay/connection.js';
import { ${type} } from './${folder}.entity.js';

export type ${type}Row = RowOf<${type}>;

export const ${type}Connection = connectionType<${type}Row>(${type}, '${type}');

/** The rules for the fields of Create${type}Input and Update${type}Input. */
export const ${field}Fields = { name: singleLine(100) };

@InputType({ description: 'A new ${noun}.' })
export class Create${type}Input {
  @Field({ description: 'The name, up to 100 characters; unique.' })
  name!: string;
}

@InputType({ description: 'A change of a ${noun}. An absent field is unchanged.' })
export class Update${type}Input implements Partial<Record<keyof Create${type}Input, unknown>> {
  @Field(() => String, { nullable: true, description: 'The name, up to 100 characters; unique.' })
  name?: string | null;
}

@ObjectType({ simpleResolvers: true, description: 'A deleted ${noun}.' })
export class Delete${type}Payload {
  @Field(() => ID, { description: 'The id of the deleted ${noun}.' })
  deleted${type}Id!: string;

  @Field(() => Int, { description: 'Number of ${nouns} that remain.' })
  remainingCount!: number;
}
`;

const queries = ({ type, types, field, folder, table, nouns }: TypeNames): string => `import { sql } from 'kysely';
import { inOrder, pageOf, type Keyset, type KeysetPage } from '../../database/keyset.js';
import { rowColumns } from '../../database/rows.js';
import type { Database } from '../../database/tables.js';
import { ${type} } from './${folder}.entity.js';
import type { ${type}Row } from './${folder}.types.js';

const columns = rowColumns(${type}, '${table}');

/** The order of pages: by name. */
export const ${field}Order: Keyset = {
  column: '${table}.name',
  property: 'name',
  type: 'text',
  isDescending: false,
};

/** Loads ${nouns} by id, in any order; unknown ids are omitted. */
export function ${field}ById(db: Database, ids: readonly string[]): Promise<${type}Row[]> {
  return db.selectFrom('${table}').select(columns).where('id', 'in', ids).execute();
}

/** Loads a page of ${nouns}. */
export async function ${field}Page(db: Database, page: KeysetPage): Promise<${type}Row[]> {
  return inOrder(await pageOf(db.selectFrom('${table}').select(columns), page).execute(), page);
}

/** Counts all ${nouns}. */
export async function count${types}(db: Database): Promise<number> {
  const { count } = await db
    .selectFrom('${table}')
    .select(sql<number>\`count(*)::integer\`.as('count'))
    .executeTakeFirstOrThrow();
  return count;
}
`;

const loaders = ({
  field,
  folder,
  noun,
}: TypeNames): string => `import { rowById } from '../../graphql/context/loader-factories.js';
import { ${field}ById as read } from './${folder}.queries.js';

/** A ${noun} by id; null if unknown. */
export const ${field}ById = rowById(read);
`;

const service = ({
  type,
  field,
  folder,
  idPrefix,
  noun,
}: TypeNames): string => `import { UniqueConstraintViolationException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { BadUserInput, NotFound } from '../../errors/app-error.js';
import { validateFields } from '../../errors/input-validation.js';
import { encodeId } from '../../graphql/relay/global-id.js';
import { ${type} } from './${folder}.entity.js';
import { ${field}Fields, type Create${type}Input, type Delete${type}Payload, type Update${type}Input } from './${folder}.types.js';

/** Creates a ${noun}. @throws BadUserInput with every invalid field */
export async function create${type}(em: SqlEntityManager, input: Create${type}Input): Promise<${type}> {
  const ${field} = em.create(${type}, validated(input) as Required<ReturnType<typeof validated>>);
  await flush(em, ${field});
  return ${field};
}

/** Changes the given fields of a ${noun}. @throws NotFound, or BadUserInput with every invalid field */
export async function update${type}(em: SqlEntityManager, id: string, input: Update${type}Input): Promise<${type}> {
  const ${field} = await found(em, id);
  em.assign(${field}, validated(input));
  await flush(em, ${field});
  return ${field};
}

/** Deletes a ${noun}. @throws NotFound */
export async function delete${type}(em: SqlEntityManager, id: string): Promise<Delete${type}Payload> {
  await em.remove(await found(em, id)).flush();
  return { deleted${type}Id: encodeId('${idPrefix}', id), remainingCount: await em.count(${type}) };
}

async function found(em: SqlEntityManager, id: string): Promise<${type}> {
  const ${field} = await em.findOne(${type}, id);
  if (!${field}) throw new NotFound('${noun}', encodeId('${idPrefix}', id));
  return ${field};
}

function validated(input: Create${type}Input | Update${type}Input) {
  const { value, problems } = validateFields(${field}Fields, input);
  if (problems.length > 0) throw BadUserInput.ofFields(problems);
  return value;
}

async function flush(em: SqlEntityManager, ${field}: ${type}): Promise<void> {
  try {
    await em.persist(${field}).flush();
  } catch (error) {
    if (error instanceof UniqueConstraintViolationException)
      throw BadUserInput.ofFields([{ field: 'name', message: 'is already used by another ${noun}' }]);
    throw error;
  }
}
`;

const permissions = ({ type, field, fields }: TypeNames): string => `import { Role } from '../../auth/viewer.js';
import { chain, hasRole, isCurrentAdministrator, isSession, type Permissions } from '../../graphql/permissions/rules.js';

const canEdit = chain(isSession, hasRole(Role.ADMIN), isCurrentAdministrator);

export const ${field}Permissions: Permissions = {
  Query: { ${field}: isSession, ${fields}: isSession },
  Mutation: { create${type}: canEdit, update${type}: canEdit, delete${type}: canEdit },
};
`;

const resolver = ({
  type,
  types,
  field,
  fields,
  folder,
  idPrefix,
  noun,
  nouns,
}: TypeNames): string => `import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../graphql/context/context.js';
import { counting, PageArgs, readPage, type Connection } from '../../graphql/relay/connection.js';
import { decodeId, encodeId } from '../../graphql/relay/global-id.js';
import { CacheHint, Invalidates } from '../../graphql/schema/cache-control.js';
import { ${type} } from './${folder}.entity.js';
import { ${field}ById } from './${folder}.loaders.js';
import { count${types}, ${field}Order, ${field}Page } from './${folder}.queries.js';
import { create${type}, delete${type}, update${type} } from './${folder}.service.js';
import { Create${type}Input, Delete${type}Payload, ${type}Connection, Update${type}Input, type ${type}Row } from './${folder}.types.js';

@Resolver(() => ${type})
export class ${type}Resolver {
  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => ${type}, { nullable: true, description: 'A ${noun} by id; null if unknown.' })
  ${field}(
    @Arg('id', () => ID, { description: 'The id of the ${noun}.' }) id: string,
    @Ctx() context: Context,
  ): Promise<${type}Row | null> {
    return context.load(${field}ById).load(decodeId('${idPrefix}', id));
  }

  @CacheHint({ maxAge: 10, scope: 'PRIVATE' })
  @Query(() => ${type}Connection, { description: 'A page of ${nouns}, by name.' })
  async ${fields}(
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() { db }: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Connection<${type}Row>> {
    const page = readPage(args, ${field}Order);
    const count = counting(info, () => count${types}(db));
    return new ${type}Connection({ page, rows: await ${field}Page(db, page), count });
  }

  @Invalidates('${type}')
  @Mutation(() => ${type}, { nullable: true, description: 'Creates a ${noun}. ADMIN only.' })
  create${type}(
    @Arg('input', () => Create${type}Input, { description: 'The fields of the ${noun}.' }) input: Create${type}Input,
    @Ctx() { em }: Context,
  ): Promise<${type}> {
    return create${type}(em, input);
  }

  @Invalidates('${type}')
  @Mutation(() => ${type}, { nullable: true, description: 'Changes a ${noun}. ADMIN only.' })
  update${type}(
    @Arg('id', () => ID, { description: 'The id of the ${noun}.' }) id: string,
    @Arg('input', () => Update${type}Input, { description: 'The fields to change.' }) input: Update${type}Input,
    @Ctx() { em }: Context,
  ): Promise<${type}> {
    return update${type}(em, decodeId('${idPrefix}', id), input);
  }

  @Invalidates('${type}')
  @Mutation(() => Delete${type}Payload, { nullable: true, description: 'Deletes a ${noun}. ADMIN only.' })
  delete${type}(
    @Arg('id', () => ID, { description: 'The id of the ${noun}.' }) id: string,
    @Ctx() { em }: Context,
  ): Promise<Delete${type}Payload> {
    return delete${type}(em, decodeId('${idPrefix}', id));
  }

  @FieldResolver(() => ID, { description: 'The id: ${idPrefix}_ and 26 characters.' })
  id(@Root() ${field}: ${type}Row): string {
    return encodeId('${idPrefix}', ${field}.id);
  }
}
`;

const index = ({
  type,
  field,
  folder,
  idPrefix,
  nouns,
}: TypeNames): string => `import { loading } from '../../graphql/context/loader-factories.js';
import type { DomainModule } from '../../graphql/module.js';
import { ${type} } from './${folder}.entity.js';
import { ${field}ById } from './${folder}.loaders.js';
import { ${field}Permissions } from './${folder}.permissions.js';
import { ${type}Resolver } from './${folder}.resolver.js';

/** Reads and writes ${nouns}. */
export const ${field}Domain: DomainModule = {
  name: '${folder}',
  entities: [${type}],
  resolvers: [${type}Resolver],
  permissions: ${field}Permissions,
  load: () => ({
    resolvers: [new ${type}Resolver()],
    nodes: { ${idPrefix}: { type: '${type}', readAs: '${field}', read: loading(${field}ById) } },
  }),
};

declare module '../../graphql/relay/global-id.js' {
  interface IdPrefixes {
    ${idPrefix}: true;
  }
}
`;

const test = ({
  type,
  field,
  fields,
  table,
  noun,
  nouns,
}: TypeNames): string => `import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { codesOf, fieldsOf, startGateway, type AnyData, type Caller, type TestGateway } from '../support/gateway.js';

const CREATE = 'mutation ($input: Create${type}Input!) { create${type}(input: $input) { id name } }';
const UPDATE = 'mutation ($id: ID!, $input: Update${type}Input!) { update${type}(id: $id, input: $input) { id name } }';
const DELETE = 'mutation ($id: ID!) { delete${type}(id: $id) { deleted${type}Id remainingCount } }';
const PAGE = '{ ${fields} { totalCount nodes { id name } } }';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

const rows = () => gateway.db.selectFrom('${table}').selectAll().orderBy('id').execute();

async function create(name: string): Promise<string> {
  const { data } = await gateway.execute<AnyData>('admin', CREATE, { input: { name } });
  return data.create${type}.id as string;
}

describe('a ${noun}', () => {
  it('is created, read, changed and deleted by an administrator', async () => {
    const id = await create('First');
    const { data: read } = await gateway.execute<AnyData>('user', 'query ($id: ID!) { ${field}(id: $id) { name } node(id: $id) { id } }', { id });
    expect(read).toEqual({ ${field}: { name: 'First' }, node: { id } });

    const { data: updated } = await gateway.execute<AnyData>('admin', UPDATE, { id, input: { name: 'Renamed' } });
    expect(updated.update${type}).toEqual({ id, name: 'Renamed' });
    const { data: page } = await gateway.execute<AnyData>('user', PAGE);
    expect(page.${fields}).toEqual({ totalCount: 1, nodes: [{ id, name: 'Renamed' }] });

    expect((await gateway.execute<AnyData>('admin', DELETE, { id })).data.delete${type}).toEqual({
      deleted${type}Id: id,
      remainingCount: 0,
    });
    expect(await rows()).toEqual([]);
  });

  it('must have a unique name', async () => {
    const id = await create('Unique');
    const response = await gateway.execute('admin', CREATE, { input: { name: 'Unique' } });
    expect(codesOf(response)).toEqual(['BAD_USER_INPUT']);
    expect(fieldsOf(response)).toEqual(['name']);
    expect(await rows()).toHaveLength(1);
    await gateway.execute('admin', DELETE, { id });
  });

  it('is NOT_FOUND for a change of an unknown id', async () => {
    const id = await create('Gone');
    await gateway.execute('admin', DELETE, { id });
    expect(codesOf(await gateway.execute('admin', UPDATE, { id, input: { name: 'X' } }))).toEqual(['NOT_FOUND']);
  });

  it.each<[Caller, string]>([
    [null, 'UNAUTHENTICATED'],
    ['user', 'FORBIDDEN'],
    ['manager', 'FORBIDDEN'],
  ])('rejects changes by %s with %s and changes nothing', async (caller, code) => {
    const id = await create('Protected');
    const before = await rows();
    for (const [document, variables] of [
      [CREATE, { input: { name: 'Other' } }],
      [UPDATE, { id, input: { name: 'Other' } }],
      [DELETE, { id }],
    ] as const)
      expect(codesOf(await gateway.execute(caller, document, variables))).toEqual([code]);
    expect(await rows()).toEqual(before);
    await gateway.execute('admin', DELETE, { id });
  });

  it('rejects anonymous reads of ${nouns}', async () => {
    expect(codesOf(await gateway.execute(null, PAGE))).toEqual(['UNAUTHENTICATED']);
  });
});
`;
