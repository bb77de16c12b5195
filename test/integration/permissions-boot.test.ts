import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { buildSchema, graphql, GraphQLObjectType, type GraphQLFieldResolver, type GraphQLSchema } from 'graphql';
import { Field, ObjectType, Query, Resolver, Subscription, type ClassType } from 'type-graphql';
import { Role, type Viewer } from '../../src/auth/viewer.js';
import { domains } from '../../src/domains/index.js';
import type { Context } from '../../src/graphql/context.js';
import type { Domain } from '../../src/graphql/domain.js';
import { allow, and, guardSchema, hasRole, hasScope, isSession, isSignedIn, permit, type Permissions } from '../../src/graphql/permissions.js';
import { LiveSchema, openedBySources } from '../../src/graphql/schema.js';
import { Forbidden } from '../../src/shared/errors.js';
import { createLogger } from '../../src/shared/logger.js';

const sdl = 'type Query { secret: String plain: String person: Person } type Mutation { change: String } type Person { name: String salary: Int }';
const rules: Permissions = { Query: { secret: allow, plain: allow, person: allow }, Mutation: { change: allow } };
const small = (): GraphQLSchema => buildSchema(sdl);

/** The schema of domains alone, guarded as a gateway guards it. */
const createSchema = (of: readonly Domain[], instances: readonly object[]): GraphQLSchema => new LiveSchema(of, instances, [], createLogger('silent')).current;

/** The rules without one of a field. */
const without = (type: string, field: string): Permissions => ({
  ...rules,
  [type]: Object.fromEntries(Object.entries(rules[type] ?? {}).filter(([name]) => name !== field)),
});

const user: Viewer = { kind: 'session', userId: 'u', role: Role.USER, employeeId: null, credentialId: 's', scopes: ['predict'] };
const contextOf = (viewer: Viewer): Context => ({ viewer }) as Context;

async function ask(schema: GraphQLSchema, source: string, viewer: Viewer): Promise<{ data: unknown; codes: unknown[]; messages: string[] }> {
  const { data, errors = [] } = await graphql({ schema, source, contextValue: contextOf(viewer), rootValue: { secret: 'told', plain: 'told', change: 'done', person: { name: 'Ada', salary: 1 } } });
  return { data: { ...data }, codes: errors.map((error) => error.extensions.code), messages: errors.map((error) => error.message) };
}

function resolverOf(schema: GraphQLSchema, typeName: string, field: string): GraphQLFieldResolver<unknown, unknown> | undefined {
  const type = schema.getType(typeName);
  if (!(type instanceof GraphQLObjectType)) throw new Error(`${typeName} is no object type`);
  return type.getFields()[field]?.resolve;
}

describe('the check at boot', () => {
  it('lets a schema pass where every root field has a rule', () => {
    expect(() => guardSchema(small(), [rules])).not.toThrow();
  });

  it('names each root field without a rule', () => {
    expect(() => guardSchema(small(), [without('Query', 'secret')])).toThrow(/without a rule: Query\.secret/);
    expect(() => guardSchema(small(), [without('Mutation', 'change')])).toThrow(/without a rule: Mutation\.change/);
    expect(() => guardSchema(small(), [])).toThrow('Query.secret, Query.plain, Query.person, Mutation.change');
  });

  it('names a subscription without a rule', () => {
    expect(() => guardSchema(buildSchema(`${sdl} type Subscription { changed: String }`), [rules])).toThrow('Subscription.changed');
  });

  it('names root types by their own names', () => {
    const schema = buildSchema('schema { query: Root } type Root { secret: String }');
    expect(() => guardSchema(schema, [{ Query: { secret: allow } }])).toThrow(/without a rule: Root\.secret; fields with a rule but not in the schema: Query\.secret/);
  });

  it.each(['constructor', 'toString', 'hasOwnProperty', 'valueOf'])('is not fooled by a field called %s, which every JavaScript object has', (name) => {
    const schema = buildSchema(`type Query { ${name}: String }`);
    expect(() => guardSchema(schema, [{ Query: {} }])).toThrow(`without a rule: Query.${name}`);
    expect(() => guardSchema(schema, [{ Query: { [name]: allow } }])).not.toThrow();
  });

  it('names a rule for a field or a type that there is not', () => {
    expect(() => guardSchema(small(), [rules, { Person: { wage: allow } }])).toThrow(/with a rule but not in the schema: Person\.wage/);
    expect(() => guardSchema(small(), [rules, { Nobody: { name: allow } }])).toThrow('Nobody.name');
    expect(() => guardSchema(small(), [rules, { Nobody: { toString: allow } }])).toThrow('Nobody.toString');
  });

  it('names a field with two rules', () => {
    expect(() => guardSchema(small(), [rules, { Query: { secret: isSignedIn } }])).toThrow('Query.secret has two rules');
  });

  it('tells of both kinds of fault at once', () => {
    expect(() => guardSchema(small(), [without('Query', 'plain'), { Person: { wage: allow } }])).toThrow(/Query\.plain.*Person\.wage/);
  });

  it('stops a domain whose resolver has a field that its permissions forgot', () => {
    @ObjectType()
    class Secret {
      @Field(() => String)
      text!: string;
    }
    @Resolver()
    class SecretResolver {
      @Query(() => Secret)
      secret(): Secret {
        return { text: 'told' };
      }
    }
    const resolver: ClassType = SecretResolver;
    const domain: Domain = { name: 'secret', entities: [], resolvers: [resolver], permissions: {}, open: () => ({ resolvers: [] }) };
    expect(() => createSchema([domain], [new SecretResolver()])).toThrow('without a rule: Query.secret');
    expect(() => createSchema([{ ...domain, permissions: { Query: { secret: allow } } }], [new SecretResolver()])).not.toThrow();
  });

  it('lets the gateway’s own domains pass, and none of them without its permissions', () => {
    expect(() => createSchema(domains, [])).not.toThrow();
    for (const domain of domains) {
      const [forgotten] = Object.keys(domain.permissions.Query ?? {});
      const less = { ...domain, permissions: { ...domain.permissions, Query: Object.fromEntries(Object.entries(domain.permissions.Query ?? {}).slice(1)) } };
      expect(() => createSchema(domains.map((one) => (one === domain ? less : one)), [])).toThrow(`without a rule: Query.${forgotten ?? ''}`);
    }
  });
});

describe('guarding', () => {
  it('wraps the ruled fields and leaves every other resolver as it was', () => {
    const permissions = domains.map((domain) => domain.permissions);
    const ruled = new Set(permissions.flatMap((one) => Object.entries(one).flatMap(([type, fields]) => Object.keys(fields).map((field) => `${type}.${field}`))));
    const guarded = createSchema(domains, []);
    const again = guardSchema(guarded, permissions);
    const changed: string[] = [];
    for (const type of Object.values(guarded.getTypeMap())) {
      if (!(type instanceof GraphQLObjectType) || type.name.startsWith('__')) continue;
      for (const field of Object.keys(type.getFields())) {
        if (resolverOf(guarded, type.name, field) !== resolverOf(again, type.name, field)) changed.push(`${type.name}.${field}`);
      }
    }
    expect(changed.sort()).toEqual([...ruled].sort());
    expect(changed).toContain('Employee.salary');
    expect(changed).not.toContain('Employee.name');
  });

  it('keeps a field without a resolver without one', () => {
    const guarded = guardSchema(small(), [rules, { Person: { salary: isSignedIn } }]);
    expect(resolverOf(guarded, 'Person', 'name')).toBe(resolverOf(small(), 'Person', 'name'));
    expect(resolverOf(guarded, 'Person', 'salary')).toEqual(expect.any(Function));
  });

  it('refuses a field inside an object that may be read, and leaves the rest', async () => {
    const schema = guardSchema(small(), [rules, { Person: { salary: isSignedIn } }]);
    expect(await ask(schema, '{ person { name salary } }', { kind: 'stranger' })).toMatchObject({ data: { person: { name: 'Ada', salary: null } }, codes: ['UNAUTHENTICATED'] });
    expect(await ask(schema, '{ person { name salary } }', user)).toMatchObject({ data: { person: { name: 'Ada', salary: 1 } }, codes: [] });
  });
});

describe('a rule', () => {
  const guardedBy = (rule: Permissions[string][string]) => guardSchema(small(), [without('Query', 'secret'), { Query: { secret: rule } }]);
  const told = { data: { secret: 'told' }, codes: [], messages: [] };
  const key = (changed: Partial<typeof user> = {}): Viewer => ({ ...user, kind: 'apiKey', ...changed });

  it('that throws refuses, and the fault is told as the fault it is', async () => {
    const schema = guardedBy(permit(() => Promise.reject(new Error('the database is away'))));
    expect(await ask(schema, '{ secret }', user)).toEqual({ data: { secret: null }, codes: [undefined], messages: ['the database is away'] });
  });

  it.each([false, undefined, null, 0, '', 1, 'yes', {}, []])('that answers %j does not let in', async (verdict) => {
    const schema = guardedBy(permit(() => verdict as true));
    expect((await ask(schema, '{ secret }', user)).data).toEqual({ secret: null });
  });

  it('joined by and lets in only where all do, and tells of the first that does not', async () => {
    const no = (message: string) => permit(() => new Forbidden(message));
    const yes = permit(() => true);
    expect(await ask(guardedBy(and(yes, yes)), '{ secret }', user)).toEqual(told);
    expect((await ask(guardedBy(and(yes, no('one'), no('two'))), '{ secret }', user)).messages).toEqual(['one']);
    expect((await ask(guardedBy(and(isSignedIn, hasScope('predict'))), '{ secret }', { kind: 'stranger' })).codes).toEqual(['UNAUTHENTICATED']);
  });

  it('isSignedIn takes whoever is known, and gives a stranger the reason', async () => {
    const schema = guardedBy(isSignedIn);
    expect(await ask(schema, '{ secret }', user)).toEqual(told);
    expect(await ask(schema, '{ secret }', key())).toEqual(told);
    expect((await ask(schema, '{ secret }', { kind: 'stranger', reason: 'Too late.' })).messages).toEqual(['Too late.']);
    expect((await ask(schema, '{ secret }', { kind: 'stranger' })).messages[0]).toContain('Sign in first');
  });

  it('hasRole takes the roles that it names', async () => {
    const schema = guardedBy(hasRole(Role.ADMIN, Role.MANAGER));
    expect(await ask(schema, '{ secret }', { ...user, role: Role.ADMIN })).toEqual(told);
    expect(await ask(schema, '{ secret }', { ...user, role: Role.MANAGER })).toEqual(told);
    expect(await ask(schema, '{ secret }', user)).toMatchObject({ data: { secret: null }, codes: ['FORBIDDEN'], messages: ['This needs the role ADMIN or MANAGER; yours is USER.'] });
    expect((await ask(schema, '{ secret }', { kind: 'stranger' })).codes).toEqual(['UNAUTHENTICATED']);
  });

  it('hasScope takes the credentials that have it', async () => {
    const schema = guardedBy(hasScope('employees:read'));
    expect(await ask(schema, '{ secret }', key({ scopes: ['employees:read'] }))).toEqual(told);
    expect((await ask(schema, '{ secret }', key({ scopes: ['employees:write', 'predict'] }))).codes).toEqual(['FORBIDDEN']);
    expect((await ask(schema, '{ secret }', { kind: 'stranger' })).codes).toEqual(['UNAUTHENTICATED']);
  });

  it('isSession takes no API key', async () => {
    const schema = guardedBy(isSession);
    expect(await ask(schema, '{ secret }', user)).toEqual(told);
    expect((await ask(schema, '{ secret }', key({ role: Role.ADMIN }))).codes).toEqual(['FORBIDDEN']);
    expect((await ask(schema, '{ secret }', { kind: 'stranger' })).codes).toEqual(['UNAUTHENTICATED']);
  });

  it('is decided once a request where it depends on the viewer alone, and anew for the next request', async () => {
    let decisions = 0;
    const counted = (cache: 'contextual' | 'no_cache') =>
      permit(() => {
        decisions += 1;
        return true;
      }, cache);
    const once = guardedBy(counted('contextual'));
    await ask(once, '{ a: secret b: secret c: secret }', user);
    expect(decisions).toBe(1);
    await ask(once, '{ secret }', user);
    expect(decisions).toBe(2);
    await ask(guardedBy(counted('no_cache')), '{ a: secret b: secret c: secret }', user);
    expect(decisions).toBe(5);
  });
});

describe('a subscription at boot', () => {
  it('must have a rule, and a resolver that opens it', () => {
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
    const domain: Domain = { name: 'tick', entities: [], resolvers: [resolver], permissions: { Query: { nothing: allow } }, open: () => ({ resolvers: [] }) };
    const permissions = { ...domain.permissions, Subscription: { ticks: allow } };
    expect(() => createSchema([domain], [Object.assign(new TickResolver(), { sources: { ticks: () => null } })])).toThrow('without a rule: Subscription.ticks');
    expect(() => createSchema([{ ...domain, permissions }], [new TickResolver()])).toThrow('No resolver opens the subscriptions ticks');
    expect(() => createSchema([{ ...domain, permissions }], [Object.assign(new TickResolver(), { sources: { ticks: () => null } })])).not.toThrow();
  });
});
