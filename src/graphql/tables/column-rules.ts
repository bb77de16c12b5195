import type { EntityClass } from '@mikro-orm/core';
import { ownValue } from '../../errors/own-value.js';
import { permit, type Permissions, type Rule } from '../permissions/rules.js';
import { tableOf } from './existing-table.js';

/**
 * The rules of columns that only some roles read: those of `readableBy`.
 * @param permissions those of the domains
 * @throws Error that names each column with another rule, which filters, orders and aggregates would not follow
 */
export function columnRules(
  entities: readonly EntityClass<unknown>[],
  permissions: readonly Permissions[],
): Permissions {
  const bypassed: string[] = [];
  const rules = entities.map((entity): [string, Record<string, Rule>] => {
    const guarded: [string, Rule][] = [];
    for (const { property, mayRead } of tableOf(entity).columns) {
      if (mayRead) guarded.push([property, permit(({ viewer }) => mayRead(viewer) ?? true, 'contextual')]);
      else if (permissions.some((one) => ownValue(ownValue(one, entity.name) ?? {}, property)))
        bypassed.push(`${entity.name}.${property}`);
    }
    return [entity.name, Object.fromEntries(guarded)];
  });
  if (bypassed.length > 0)
    throw new Error(
      `Declare the roles of ${bypassed.join(', ')} by readableBy in the entity instead of a rule: filters, orders and aggregates would reveal the values.`,
    );
  return Object.fromEntries(rules);
}
