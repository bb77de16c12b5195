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

/** How long an answer with this field may be used again, and by whom. What no hint speaks of is never kept. */
export interface CacheHintOptions {
  /** Seconds; of all fields of an operation the shortest counts. */
  maxAge?: number;
  /** PRIVATE where absent: an answer is for everyone only where that is said, so that a word forgotten publishes nothing. */
  scope?: 'PUBLIC' | 'PRIVATE';
  /** The field is good for as long as what it lies in. A field without a selection is so without being told. */
  inheritMaxAge?: boolean;
  /** Entities that the answer tells of without giving any, as a count does: it is forgotten when one of them changes. */
  of?: readonly string[];
}

/** What stands in `extensions` of a field or type. */
export interface CacheExtensions {
  cacheControl?: CacheHintOptions;
  /** Of a mutation: the entities that it may change. */
  invalidates?: readonly string[];
  /** Whether a rule decides who gets the field. */
  isGuarded?: boolean;
}

/** A hint on a field, a resolver, or a type, where it holds for each field that gives the type and has none of its own. */
export const CacheHint = (hint: CacheHintOptions) => Extensions({ cacheControl: hint } satisfies CacheExtensions);

/**
 * On every mutation: the types whose objects it may change, or may add or remove. Answers that were kept of them are
 * forgotten before the mutation's own leaves. Without names: what queries may be kept of stays as it was.
 */
export const Invalidates = (...entities: string[]) => Extensions({ invalidates: entities } satisfies CacheExtensions);

/** What a field or type says of caching. */
export const cacheExtensions = ({ extensions }: Pick<GraphQLField<unknown, unknown> | GraphQLNamedType, 'extensions'>): CacheExtensions => extensions;

/** The hints as readers of the schema see them; Apollo's directive, which tools know. */
export const cacheControlDirective = new GraphQLDirective({
  name: 'cacheControl',
  description: 'How long, in seconds, an answer with this field may be used again, and by whom. An operation is good for as long as the shortest of its fields.',
  locations: [DirectiveLocation.FIELD_DEFINITION, DirectiveLocation.OBJECT, DirectiveLocation.INTERFACE, DirectiveLocation.UNION],
  args: {
    maxAge: { type: GraphQLInt, description: 'Seconds. An object field without a hint counts as 0, a field without a selection takes that of what it lies in.' },
    scope: {
      type: new GraphQLEnumType({
        name: 'CacheControlScope',
        description: 'Who may use an answer again.',
        values: { PUBLIC: { description: 'Everyone.' }, PRIVATE: { description: 'Only who asked. The default.' } },
      }),
      description: 'Who may use the answer again.',
    },
    inheritMaxAge: { type: GraphQLBoolean, description: 'Whether it is good for as long as what it lies in.' },
  },
});

/** The hint as the printed schema shows it; nothing where there is none to show. */
export function printedHint(of: Parameters<typeof cacheExtensions>[0]): string {
  const { maxAge, scope, inheritMaxAge } = cacheExtensions(of).cacheControl ?? {};
  const given = Object.entries({ maxAge, scope, inheritMaxAge }).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return given.length === 0 ? '' : ` @${cacheControlDirective.name}(${given.join(', ')})`;
}
