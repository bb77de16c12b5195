import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { buildSchema, graphql, GraphQLObjectType, type GraphQLFieldResolver, type GraphQLSchema } from 'graphql';
import { Field, ObjectType, Query, Resolver, Subscription, type ClassType } from 'type-graphql';
import { Role, type Viewer } from '../../src/auth/viewer.js';
import { domains } from '../../src/domains/index.js';
import type { Context } from '../../src/graphql/context/context.js';
import type { DomainModule } from '../../src/graphql/module.js';
import { nodePermissions } from '../../src/graphql/relay/node.js';
import { guardSchema } from '../../src/graphql/permissions/guard-schema.js';
import {
  allow,
  and,
  hasRole,
  hasScope,
  isSession,
  isSignedIn,
  permit,
  type Permissions,
} from '../../src/graphql/permissions/rules.js';
import { assertReferencesFiltered, filterReferences } from '../../src/graphql/permissions/visibility.js';
import { domainSchema, LiveSchema } from '../../src/graphql/schema/build-schema.js';
import { openedBySources } from '../../src/graphql/subscriptions/event-sources.js';
import { Forbidden } from '../../src/errors/app-error.js';
import { createLogger } from '../../src/telemetry/logger.js';

const sdl =
  'type Query { secret: String plain: String person: Person } type Mutation { change: String } type Person { name: String salary: Int }';
const rules: Permissions = { Query: { secret: allow, plain: allow, person: allow }, Mutation: { change: allow } };
const small = (): GraphQLSchema => buildSchema(sdl);

/** The guarded schema of these domains. */
const createSchema = (of: readonly DomainModule[], instances: readonly object[]): GraphQLSchema =>
  new LiveSchema(of, domainSchema(of), instances, [], createLogger('silent')).current;

/** The rules without the rule of one field. */
const without = (type: string, field: string): Permissions => ({
  ...rules,
  [type]: Object.fromEntries(Object.entries(rules[type] ?? {}).filter(([name]) => name !== field)),
});

const user: Viewer = {
  kind: 'session',
  userId: 'u',
  role: Role.USER,
  employeeId: null,
  credentialId: 's',
  scopes: ['predict'],
};
const contextOf = (viewer: Viewer): Context =>
  ({ viewer, reportRejection: (_field: string) => undefined }) as Partial<Context> as Context;

async function execute(
  schema: GraphQLSchema,
  source: string,
  viewer: Viewer,
): Promise<{ data: unknown; codes: unknown[]; messages: string[] }> {
  const { data, errors = [] } = await graphql({
    schema,
    source,
    contextValue: contextOf(viewer),
    rootValue: { secret: 'value', plain: 'value', change: 'done', person: { name: 'Ada', salary: 1 } },
  });
  return {
    data: { ...data },
    codes: errors.map((error) => error.extensions.code),
    messages: errors.map((error) => error.message),
  };
}

function resolverOf(
  schema: GraphQLSchema,
  typeName: string,
  field: string,
): GraphQLFieldResolver<unknown, unknown> | undefined {
  const type = schema.getType(typeName);
  if (!(type instanceof GraphQLObjectType)) throw new Error(`${typeName} is not an object type`);
  return type.getFields()[field]?.resolve;
}

describe('the permission check at start-up', () => {
  it('accepts a schema if every root field has a rule', () => {
    expect(() => guardSchema(small(), [rules])).not.toThrow();
  });

  it('lists each root field without a rule', () => {
    expect(() => guardSchema(small(), [without('Query', 'secret')])).toThrow(/without a rule: Query\.secret/);
    expect(() => guardSchema(small(), [without('Mutation', 'change')])).toThrow(/without a rule: Mutation\.change/);
    expect(() => guardSchema(small(), [])).toThrow('Query.secret, Query.plain, Query.person, Mutation.change');
  });

  it('lists a subscription without a rule', () => {
    expect(() => guardSchema(buildSchema(`${sdl} type Subscription { changed: String }`), [rules])).toThrow(
      'Subscription.changed',
    );
  });

  it('uses the names of custom root types', () => {
    const schema = buildSchema('schema { query: Root } type Root { secret: String }');
    expect(() => guardSchema(schema, [{ Query: { secret: allow } }])).toThrow(
      /without a rule: Root\.secret; fields with a rule but not in the schema: Query\.secret/,
    );
  });

  it.each(['constructor', 'toString', 'hasOwnProperty', 'valueOf'])(
    'detects a missing rule for the field %s, which is a property of every object',
    (name) => {
      const schema = buildSchema(`type Query { ${name}: String }`);
      expect(() => guardSchema(schema, [{ Query: {} }])).toThrow(`without a rule: Query.${name}`);
      expect(() => guardSchema(schema, [{ Query: { [name]: allow } }])).not.toThrow();
    },
  );

  it('lists rules for unknown fields and types', () => {
    expect(() => guardSchema(small(), [rules, { Person: { wage: allow } }])).toThrow(
      /with a rule but not in the schema: Person\.wage/,
    );
    expect(() => guardSchema(small(), [rules, { Nobody: { name: allow } }])).toThrow('Nobody.name');
    expect(() => guardSchema(small(), [rules, { Nobody: { toString: allow } }])).toThrow('Nobody.toString');
  });

  it('rejects two rules for one field', () => {
    expect(() => guardSchema(small(), [rules, { Query: { secret: isSignedIn } }])).toThrow(
      'Query.secret has two rules',
    );
  });

  it('reports both kinds of error at once', () => {
    expect(() => guardSchema(small(), [without('Query', 'plain'), { Person: { wage: allow } }])).toThrow(
      /Query\.plain.*Person\.wage/,
    );
  });

  it('rejects a domain with a resolver for a field without a rule', () => {
    @ObjectType()
    class Secret {
      @Field(() => String)
      text!: string;
    }
    @Resolver()
    class SecretResolver {
      @Query(() => Secret)
      secret(): Secret {
        return { text: 'value' };
      }
    }
    const resolver: ClassType = SecretResolver;
    const domain: DomainModule = {
      name: 'secret',
      entities: [],
      resolvers: [resolver],
      permissions: {},
      load: () => ({ resolvers: [] }),
    };
    expect(() => createSchema([domain], [new SecretResolver()])).toThrow('without a rule: Query.secret');
    expect(() =>
      createSchema([{ ...domain, permissions: { Query: { secret: allow } } }], [new SecretResolver()]),
    ).not.toThrow();
  });

  it('filters nullable references to objects with restricted visibility, and rejects others without a rule', async () => {
    const own = { User: (viewer: Viewer, { id }: { id: string }) => viewer.kind === 'session' && viewer.userId === id };
    const build = (type: string): GraphQLSchema =>
      filterReferences(
        buildSchema(
          `type Query { note: Note } type Note { by: ${type} } type User { id: ID } type UserConnection { nodes: [User!]! }`,
        ),
        own,
      );
    for (const type of ['User!', '[User]', 'UserConnection']) {
      expect(() => assertReferencesFiltered(build(type), own, [])).toThrow('not every viewer may see: Note.by');
      expect(() => assertReferencesFiltered(build(type), own, [{ Note: { by: allow } }])).not.toThrow();
    }
    const schema = build('User');
    assertReferencesFiltered(schema, own, []);
    for (const [by, seen] of [
      [{ id: 'u' }, { id: 'u' }],
      [{ id: 'another' }, null],
      [null, null],
    ])
      expect(
        await graphql({
          schema,
          source: '{ note { by { id } } }',
          contextValue: contextOf(user),
          rootValue: { note: { by } },
        }),
      ).toEqual({ data: { note: { by: seen } } });
  });

  it('accepts the built-in domains, and none with a missing rule', () => {
    expect(() => createSchema(domains, [])).not.toThrow();
    for (const domain of domains) {
      const [type, fields] = Object.entries(domain.permissions)[0] ?? [];
      const [omitted, ...others] = Object.entries(fields ?? {});
      const less = {
        ...domain,
        permissions: { ...domain.permissions, [type ?? '']: Object.fromEntries(others) },
      };
      expect(() =>
        createSchema(
          domains.map((one) => (one === domain ? less : one)),
          [],
        ),
      ).toThrow(`without a rule: ${type ?? ''}.${omitted?.[0] ?? ''}`);
    }
  });
});

describe('guarding a schema', () => {
  it('wraps the fields with rules and no other resolver', () => {
    const permissions = [...domains.map((domain) => domain.permissions), nodePermissions];
    const ruled = new Set(
      permissions.flatMap((one) =>
        Object.entries(one).flatMap(([type, fields]) => Object.keys(fields).map((field) => `${type}.${field}`)),
      ),
    );
    const guarded = createSchema(domains, []);
    const again = guardSchema(guarded, permissions);
    const changed: string[] = [];
    for (const type of Object.values(guarded.getTypeMap())) {
      if (!(type instanceof GraphQLObjectType) || type.name.startsWith('__')) continue;
      for (const field of Object.keys(type.getFields())) {
        if (resolverOf(guarded, type.name, field) !== resolverOf(again, type.name, field))
          changed.push(`${type.name}.${field}`);
      }
    }
    expect(changed.sort()).toEqual([...ruled].sort());
    expect(changed).toContain('Employee.salary');
    expect(changed).not.toContain('Employee.name');
  });

  it('adds no resolver to a field without a rule', () => {
    const guarded = guardSchema(small(), [rules, { Person: { salary: isSignedIn } }]);
    expect(resolverOf(guarded, 'Person', 'name')).toBe(resolverOf(small(), 'Person', 'name'));
    expect(resolverOf(guarded, 'Person', 'salary')).toEqual(expect.any(Function));
  });

  it('rejects a field of a readable object and returns the others', async () => {
    const schema = guardSchema(small(), [rules, { Person: { salary: isSignedIn } }]);
    expect(await execute(schema, '{ person { name salary } }', { kind: 'anonymous' })).toMatchObject({
      data: { person: { name: 'Ada', salary: null } },
      codes: ['UNAUTHENTICATED'],
    });
    expect(await execute(schema, '{ person { name salary } }', user)).toMatchObject({
      data: { person: { name: 'Ada', salary: 1 } },
      codes: [],
    });
  });
});

describe('a rule', () => {
  const guardedBy = (rule: Permissions[string][string]) =>
    guardSchema(small(), [without('Query', 'secret'), { Query: { secret: rule } }]);
  const accepted = { data: { secret: 'value' }, codes: [], messages: [] };
  const key = (changed: Partial<typeof user> = {}): Viewer => ({ ...user, kind: 'apiKey', ...changed });

  it('rejects with the error that it throws', async () => {
    const schema = guardedBy(permit(() => Promise.reject(new Error('the database is unavailable'))));
    expect(await execute(schema, '{ secret }', user)).toEqual({
      data: { secret: null },
      codes: [undefined],
      messages: ['the database is unavailable'],
    });
  });

  it.each([false, undefined, null, 0, '', 1, 'yes', {}, []])('rejects if it returns %j', async (verdict) => {
    const schema = guardedBy(permit(() => verdict as true));
    expect((await execute(schema, '{ secret }', user)).data).toEqual({ secret: null });
  });

  it('combined by and accepts if all accept, and otherwise returns the first rejection', async () => {
    const no = (message: string) => permit(() => new Forbidden(message));
    const yes = permit(() => true);
    expect(await execute(guardedBy(and(yes, yes)), '{ secret }', user)).toEqual(accepted);
    expect((await execute(guardedBy(and(yes, no('one'), no('two'))), '{ secret }', user)).messages).toEqual(['one']);
    expect(
      (await execute(guardedBy(and(isSignedIn, hasScope('predict'))), '{ secret }', { kind: 'anonymous' })).codes,
    ).toEqual(['UNAUTHENTICATED']);
  });

  it('isSignedIn accepts any authenticated caller and returns the reason to others', async () => {
    const schema = guardedBy(isSignedIn);
    expect(await execute(schema, '{ secret }', user)).toEqual(accepted);
    expect(await execute(schema, '{ secret }', key())).toEqual(accepted);
    expect((await execute(schema, '{ secret }', { kind: 'anonymous', reason: 'Token expired.' })).messages).toEqual([
      'Token expired.',
    ]);
    expect((await execute(schema, '{ secret }', { kind: 'anonymous' })).messages[0]).toContain('Sign in first');
  });

  it('hasRole accepts only its roles', async () => {
    const schema = guardedBy(hasRole(Role.ADMIN, Role.MANAGER));
    expect(await execute(schema, '{ secret }', { ...user, role: Role.ADMIN })).toEqual(accepted);
    expect(await execute(schema, '{ secret }', { ...user, role: Role.MANAGER })).toEqual(accepted);
    expect(await execute(schema, '{ secret }', user)).toMatchObject({
      data: { secret: null },
      codes: ['FORBIDDEN'],
      messages: ['This needs the role ADMIN or MANAGER; yours is USER.'],
    });
    expect((await execute(schema, '{ secret }', { kind: 'anonymous' })).codes).toEqual(['UNAUTHENTICATED']);
  });

  it('hasScope accepts only credentials with the scope', async () => {
    const schema = guardedBy(hasScope('employees:read'));
    expect(await execute(schema, '{ secret }', key({ scopes: ['employees:read'] }))).toEqual(accepted);
    expect((await execute(schema, '{ secret }', key({ scopes: ['employees:write', 'predict'] }))).codes).toEqual([
      'FORBIDDEN',
    ]);
    expect((await execute(schema, '{ secret }', { kind: 'anonymous' })).codes).toEqual(['UNAUTHENTICATED']);
  });

  it('isSession rejects API keys', async () => {
    const schema = guardedBy(isSession);
    expect(await execute(schema, '{ secret }', user)).toEqual(accepted);
    expect((await execute(schema, '{ secret }', key({ role: Role.ADMIN }))).codes).toEqual(['FORBIDDEN']);
    expect((await execute(schema, '{ secret }', { kind: 'anonymous' })).codes).toEqual(['UNAUTHENTICATED']);
  });

  it('is evaluated once per request if it depends only on the viewer', async () => {
    let decisions = 0;
    const counted = (cache: 'contextual' | 'no_cache') =>
      permit(() => {
        decisions += 1;
        return true;
      }, cache);
    const once = guardedBy(counted('contextual'));
    await execute(once, '{ a: secret b: secret c: secret }', user);
    expect(decisions).toBe(1);
    await execute(once, '{ secret }', user);
    expect(decisions).toBe(2);
    await execute(guardedBy(counted('no_cache')), '{ a: secret b: secret c: secret }', user);
    expect(decisions).toBe(5);
  });
});

describe('a subscription at start-up', () => {
  it('requires a rule and a resolver that opens it', () => {
    @Resolver()
    class TickResolver {
      @Query(() => String)
      nothing(): string {
        return '';
      }

      @Subscription(() => String, openedBySources)
      ticks(): string {
        return 'tick';
      }
    }
    const resolver: ClassType = TickResolver;
    const domain: DomainModule = {
      name: 'tick',
      entities: [],
      resolvers: [resolver],
      permissions: { Query: { nothing: allow } },
      load: () => ({ resolvers: [] }),
    };
    const permissions = { ...domain.permissions, Subscription: { ticks: allow } };
    expect(() =>
      createSchema([domain], [Object.assign(new TickResolver(), { sources: { ticks: () => null } })]),
    ).toThrow('without a rule: Subscription.ticks');
    expect(() => createSchema([{ ...domain, permissions }], [new TickResolver()])).toThrow(
      'No resolver opens the subscriptions ticks',
    );
    expect(() =>
      createSchema(
        [{ ...domain, permissions }],
        [Object.assign(new TickResolver(), { sources: { ticks: () => null } })],
      ),
    ).not.toThrow();
  });
});
