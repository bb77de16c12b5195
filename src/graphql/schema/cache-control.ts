import {
  DirectiveLocation,
  GraphQLBoolean,
  GraphQLDirective,
  GraphQLEnumType,
  GraphQLInt,
  type GraphQLField,
  type GraphQLNamedType,
} from 'graphql';
import { Extensions } from 'type-graphql';

/** How long, and for which viewers, a response with this field may be cached. Without a hint it is never cached. */
export interface CacheHintOptions {
  /** Seconds; the shortest of an operation's fields applies. */
  maxAge?: number;
  /** PRIVATE by default, so that a missing hint publishes nothing. */
  scope?: 'PUBLIC' | 'PRIVATE';
  /** Takes the age of the parent, as fields without a selection always do. */
  inheritMaxAge?: boolean;
  /** Entities that the field depends on without returning them, as a count does; a change of one invalidates the response. */
  of?: readonly string[];
}

/** The `extensions` of a field or type. */
export interface CacheExtensions {
  cacheControl?: CacheHintOptions;
  /** The entities that a mutation may change. */
  invalidates?: readonly string[];
  /** Whether an authorization rule guards the field. */
  isGuarded?: boolean;
  /** Whether the field is null for viewers without access to its object. */
  isFiltered?: boolean;
}

/** A cache hint on a field, a resolver, or a type; that of a type applies to each field that returns it without a hint. */
export const CacheHint = (hint: CacheHintOptions) => Extensions({ cacheControl: hint } satisfies CacheExtensions);

/**
 * Required on every mutation: the types whose objects it may create, change or delete. Cached responses and rows with these
 * types are invalidated before the mutation's response is sent. Without names, nothing is invalidated.
 */
export const Invalidates = (...entities: string[]) => Extensions({ invalidates: entities } satisfies CacheExtensions);

/** The cache extensions of a field or type. */
export const cacheExtensions = ({
  extensions,
}: Pick<GraphQLField<unknown, unknown> | GraphQLNamedType, 'extensions'>): CacheExtensions => extensions;

/** Apollo's directive, by which tools read the hints of a printed schema. */
export const cacheControlDirective = new GraphQLDirective({
  name: 'cacheControl',
  description:
    'How long, and for whom, a response with this field may be cached. The shortest age of its fields applies to an operation.',
  locations: [
    DirectiveLocation.FIELD_DEFINITION,
    DirectiveLocation.OBJECT,
    DirectiveLocation.INTERFACE,
    DirectiveLocation.UNION,
  ],
  args: {
    maxAge: {
      type: GraphQLInt,
      description:
        'Seconds. An object field without a hint has age 0; a field without a selection takes the age of its parent.',
    },
    scope: {
      type: new GraphQLEnumType({
        name: 'CacheControlScope',
        description: 'Which viewers may receive a cached response.',
        values: {
          PUBLIC: { description: 'All viewers.' },
          PRIVATE: { description: 'The viewer that it was computed for. The default.' },
        },
      }),
      description: 'Which viewers may receive the cached response.',
    },
    inheritMaxAge: { type: GraphQLBoolean, description: 'Whether the field takes the age of its parent.' },
  },
});

/** The hint as printed in the schema; empty if there is none. */
export function printedHint(of: Parameters<typeof cacheExtensions>[0]): string {
  const { maxAge, scope, inheritMaxAge } = cacheExtensions(of).cacheControl ?? {};
  const given = Object.entries({ maxAge, scope, inheritMaxAge }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return given.length === 0 ? '' : ` @${cacheControlDirective.name}(${given.join(', ')})`;
}
