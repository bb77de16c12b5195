import type { GraphQLResolveInfo } from 'graphql';
import { Forbidden } from '../../errors/app-error.js';
import { ownValue } from '../../errors/own-value.js';
import type { Context } from '../context/context.js';
import { chained } from '../execution/promises.js';
import { compileGuard, type Middleware } from '../permissions/compile-guard.js';
import type { Permissions } from '../permissions/rules.js';

/** A field of the schema that a value derives from. */
export interface LineageField {
  type: string;
  field: string;
  /** The object of the field, from the one whose value derives from it; null if there is none. By default the same object. */
  objectOf?: (row: object, context: Context, info: GraphQLResolveInfo) => object | null | Promise<object | null>;
}

type Verdict = true | Error;

/**
 * Decides, by the rules of the fields that a value derives from, why a viewer may not read it; null if none of them has a rule. Their
 * arguments have their defaults.
 * @throws Error if a rule is of a kind that cannot be decided alone
 */
export function lineageGuard(
  lineage: readonly LineageField[],
  permissions: readonly Permissions[],
): ((row: object, context: Context, info: GraphQLResolveInfo) => Verdict | Promise<Verdict>) | null {
  const decisions = lineage.flatMap(({ type, field, objectOf = (row: object) => row }) =>
    rulesOf(type, field, permissions).map((guard) => ({ objectOf, guard })),
  );
  if (decisions.length === 0) return null;
  return (row, context, info) => {
    const decideFrom = (index: number): Verdict | Promise<Verdict> => {
      const decision = decisions[index];
      if (!decision) return true;
      const { objectOf, guard } = decision;
      const verdict = chained(objectOf(row, context, info), (object): Verdict | Promise<Verdict> =>
        // Without an object there is nothing to protect.
        object === null ? true : (guard(permitted, object, {}, context, info) as Verdict | Promise<Verdict>),
      );
      return chained(verdict, (decided) => (decided === true ? decideFrom(index + 1) : decided));
    };
    return decideFrom(0);
  };
}

const permitted = (): true => true;

/** One for all. */
const fallbackError = new Forbidden();

function rulesOf(type: string, field: string, permissions: readonly Permissions[]): Middleware[] {
  return permissions.flatMap((one) => {
    const rules = ownValue(one, type);
    const tree = rules && ownValue(rules, field);
    if (tree === undefined) return [];
    const guard = compileGuard(tree, fallbackError);
    if (!guard)
      throw new Error(
        `The rule of ${type}.${field} is of a kind that a derived value cannot use; use rule, and, chain, allow or deny.`,
      );
    return [guard];
  });
}
