import { isIntrospectionType, isSpecifiedScalarType, printType, type GraphQLSchema } from 'graphql';
import { buildSchemaSync, type ClassType, type NonEmptyArray } from 'type-graphql';
import type { Domain } from './domain.js';
import { guardSchema } from './permissions.js';

/**
 * The domains' schema with every rule in place.
 * @param instances the resolvers, ready made; resolver classes not among them are made without arguments
 */
export function createSchema(domains: readonly Domain[], instances: readonly object[]): GraphQLSchema {
  const schema = buildSchema(domains, instances);
  return guardSchema(schema, domains.map((domain) => domain.permissions));
}

/** The schema as text, as it is committed: types by name, so that a change shows where it is; fields in their own order. */
export function printedSchema(domains: readonly Domain[]): string {
  const types = Object.values(buildSchema(domains, []).getTypeMap());
  const own = types.filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type));
  own.sort((one, other) => (one.name < other.name ? -1 : 1));
  return `${own.map((type) => printType(type)).join('\n\n')}\n`;
}

function buildSchema(domains: readonly Domain[], instances: readonly object[]): GraphQLSchema {
  const byClass = new Map(instances.map((instance) => [instance.constructor, instance]));
  const [first, ...others] = domains.flatMap((domain) => domain.resolvers);
  if (!first) throw new Error('No domain has a resolver.');
  const resolvers: NonEmptyArray<ClassType> = [first, ...others];
  return buildSchemaSync({
    resolvers,
    container: {
      get(resolver: ClassType) {
        const instance = byClass.get(resolver);
        if (!instance) throw new Error(`The resolver ${resolver.name} was not opened.`);
        return instance;
      },
    },
    // Services validate: they name all faulty fields at once, those that need the database among them.
    validate: false,
  });
}
