import type { GraphQLFieldResolver } from 'graphql';
import { ownValue } from '../../errors/own-value.js';
import type { Context } from '../context/context.js';
import { chained, isPromise } from '../execution/promises.js';
import { allow, and, chain, deny, rule } from './shield.js';

type Call = Parameters<GraphQLFieldResolver<unknown, Context>>;

/** A resolver around another one, which it calls or not. */
export type Middleware = (next: GraphQLFieldResolver<unknown, Context>, ...call: Call) => unknown;

/** The verdict of graphql-shield: true, false, or the error for the caller. */
type Verdict = boolean | Error;
type Decide = (...call: Call) => Verdict | Promise<Verdict>;

/** What graphql-shield adds to the context: the results of rules that are cached for the request. */
interface ShieldContext {
  _shield?: { cache: Record<string, unknown> };
}

/**
 * Compiles a tree of graphql-shield's rules to middleware that is synchronous where each rule is. graphql-shield's own middleware makes a
 * dozen promises for each field, which is more than the execution of the field.
 * @param fallbackError for a rule that returned neither true nor an error
 * @returns null for kinds of rules other than `rule`, `and`, `chain`, `allow` and `deny`
 */
export function compileGuard(tree: unknown, fallbackError: Error): Middleware | null {
  const decide = compileRule(tree);
  if (!decide) return null;
  return (next, ...call) => {
    const context = call[2] as ShieldContext;
    context._shield ??= { cache: {} };
    return chained(decide(...call), (verdict) => resolved(verdict, next, call, fallbackError));
  };
}

/** The result of the resolver if it may be called. Errors are returned instead of thrown, as by graphql-shield. */
function resolved(
  verdict: Verdict,
  next: GraphQLFieldResolver<unknown, Context>,
  call: Call,
  fallbackError: Error,
): unknown {
  if (verdict !== true) return verdict === false ? fallbackError : verdict;
  try {
    const result = next(...call);
    return isPromise(result) ? result.then(undefined, (error: unknown) => error) : result;
  } catch (error) {
    return error;
  }
}

const [anyRule, anyAnd, anyChain] = [rule()(() => true), and(), chain()];

function compileRule(tree: unknown): Decide | null {
  if (tree === allow) return () => true;
  if (tree === deny) return () => false;
  if (hasClassOf(tree, anyAnd)) {
    const decides = compileRules(tree.getRules());
    return decides && compileAnd(decides);
  }
  if (hasClassOf(tree, anyChain)) {
    const decides = compileRules(tree.getRules());
    return decides && compileChain(decides);
  }
  return hasClassOf(tree, anyRule) ? compileSingle(tree as unknown as SingleRule) : null;
}

/** Whether a value is of the same class as a sample; graphql-shield does not export its classes. */
const hasClassOf = <Sample extends object>(value: unknown, { constructor }: Sample): value is Sample =>
  typeof value === 'object' && value !== null && value.constructor === constructor;

/** Null if one of them is of another kind. */
function compileRules(trees: readonly unknown[]): Decide[] | null {
  const decides = trees.map(compileRule).filter((decide) => decide !== null);
  return decides.length === trees.length ? decides : null;
}

/** What graphql-shield declares private. */
interface SingleRule {
  name: string;
  cache: unknown;
  func: (...call: Call) => unknown;
}

function compileSingle({ cache, func, name }: SingleRule): Decide | null {
  if (cache !== 'contextual' && cache !== 'no_cache') return null;
  const run =
    cache === 'no_cache'
      ? (...call: Call): unknown => func(...call)
      : (...call: Call): unknown => {
          const { cache: results = {} } = (call[2] as ShieldContext)._shield ?? {};
          const known = ownValue(results, name);
          // As in graphql-shield, a result such as false is computed again.
          if (known) return known;
          const result = func(...call);
          Object.assign(results, { [name]: result });
          return result;
        };
  return (...call) => {
    try {
      const result = run(...call);
      return isPromise(result) ? result.then(verdictOf, () => false) : verdictOf(result);
    } catch {
      return false;
    }
  };
}

const verdictOf = (result: unknown): Verdict =>
  result instanceof Error ? result : typeof result === 'string' ? new Error(result) : result === true;

/** All rules decide, also after a rejection; the first error is reported. */
const compileAnd =
  (decides: readonly Decide[]): Decide =>
  (...call) => {
    const verdicts = decides.map((decide) => decide(...call));
    if (!verdicts.some(isPromise)) return combined(verdicts as Verdict[]);
    return Promise.all(verdicts.map(async (verdict) => verdict)).then(combined);
  };

const combined = (verdicts: readonly Verdict[]): Verdict =>
  verdicts.every((verdict) => verdict === true) || (verdicts.find((verdict) => verdict instanceof Error) ?? false);

/** The rules decide one after the other, until one rejects. */
function compileChain(decides: readonly Decide[]): Decide {
  const decideFrom = (index: number, call: Call): Verdict | Promise<Verdict> => {
    const decide = decides[index];
    if (!decide) return true;
    return chained(decide(...call), (verdict) => (verdict === true ? decideFrom(index + 1, call) : verdict));
  };
  return (...call) => decideFrom(0, call);
}
