import fc from 'fast-check';
import { buildSchema, type GraphQLFieldResolver, type GraphQLResolveInfo } from 'graphql';
import type { Context } from '../../../../src/graphql/context/context.js';
import { compileGuard, type Middleware } from '../../../../src/graphql/permissions/compile-guard.js';
import { allow, and, chain, deny, rule, shield } from '../../../../src/graphql/permissions/shield.js';

/** What a rule does; each call is logged under its name. */
interface RandomRule {
  name: string;
  cache: 'contextual' | 'no_cache';
  outcome: unknown;
  isThrown: boolean;
  isAsync: boolean;
}

type RandomTree = RandomRule | 'allow' | 'deny' | { kind: 'and' | 'chain'; trees: readonly RandomTree[] };

const ruleArbitrary = fc.record({
  // The first rule of a name is used wherever the tree names it.
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  cache: fc.constantFrom('contextual' as const, 'no_cache' as const),
  outcome: fc.constantFrom<unknown>(
    true,
    true,
    true,
    true,
    false,
    undefined,
    null,
    '',
    'a reason',
    new Error('rejected'),
    1,
  ),
  isThrown: fc.constantFrom(false, false, false, false, true),
  isAsync: fc.boolean(),
});

const { tree: treeArbitrary } = fc.letrec<{ tree: RandomTree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    ruleArbitrary,
    fc.constantFrom('allow' as const, 'deny' as const),
    fc.record({
      kind: fc.constantFrom('and' as const, 'chain' as const),
      trees: fc.array(tie('tree'), { maxLength: 4 }),
    }),
  ),
}));

function build(
  tree: RandomTree,
  log: string[],
  rules = new Map<string, ReturnType<typeof and>>(),
): ReturnType<typeof and> {
  if (tree === 'allow') return allow;
  if (tree === 'deny') return deny;
  if ('kind' in tree) {
    const inner = tree.trees.map((inside) => build(inside, log, rules));
    return tree.kind === 'and' ? and(...inner) : chain(...inner);
  }
  const { name, cache, outcome, isThrown, isAsync } = tree;
  const known = rules.get(name);
  if (known) return known;
  const run = (): unknown => {
    log.push(name);
    if (isThrown) throw outcome;
    return outcome;
  };
  const decide = isAsync ? async () => Promise.resolve().then(run) : run;
  const built = rule(name, { cache })(decide as () => boolean) as unknown as ReturnType<typeof and>;
  rules.set(name, built);
  return built;
}

const schema = buildSchema('type Query { field: String }');
const fallbackError = new Error('fallback');

function shieldOf(tree: ReturnType<typeof and>): Middleware {
  const generated = shield({ Query: { field: tree } }, { allowExternalErrors: true, fallbackError }).generate(
    schema,
  ) as {
    Query: { field: Middleware | { resolve: Middleware } };
  };
  const { field } = generated.Query;
  return typeof field === 'function' ? field : field.resolve;
}

const resolvers: Record<string, GraphQLFieldResolver<unknown, Context>> = {
  value: () => 'value',
  promise: () => Promise.resolve('promise'),
  throws: () => {
    throw new Error('thrown');
  },
  rejects: () => Promise.reject(new Error('rejected')),
};

/** The results of three calls within one request. */
async function results(guard: Middleware, resolver: string): Promise<unknown[]> {
  const context = {} as Context;
  const found: unknown[] = [];
  for (let call = 0; call < 3; call++)
    found.push(await guard(resolvers[resolver] ?? (() => null), {}, {}, context, {} as GraphQLResolveInfo));
  return found;
}

describe('a compiled guard', () => {
  it('decides as the middleware of graphql-shield, by the same calls of rules', async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, fc.constantFrom(...Object.keys(resolvers)), async (tree, resolver) => {
        const [log, expectedLog]: [string[], string[]] = [[], []];
        const guard = compileGuard(build(tree, log), fallbackError);
        expect(guard).not.toBeNull();
        if (!guard) return;
        expect(await results(guard, resolver)).toEqual(await results(shieldOf(build(tree, expectedLog)), resolver));
        expect(log.toSorted()).toEqual(expectedLog.toSorted());
      }),
      { numRuns: 500 },
    );
  });

  it('makes no promise if neither its rules nor its resolver do', () => {
    const guard = compileGuard(
      and(
        rule()(() => true),
        chain(
          allow,
          rule({ cache: 'contextual' })(() => true),
        ),
      ),
      fallbackError,
    );
    expect(guard?.(() => 'value', {}, {}, {} as Context, {} as GraphQLResolveInfo)).toBe('value');
  });

  it('leaves other kinds of rules to graphql-shield', () => {
    const strict = rule({ cache: 'strict' })(() => true);
    expect(compileGuard(strict, fallbackError)).toBeNull();
    expect(compileGuard(and(allow, chain(strict)), fallbackError)).toBeNull();
  });
});
