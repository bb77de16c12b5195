import { capitalized } from './identifiers.js';
import { mutationNames } from './mutation-templates.js';
import type { PlannedTable } from './plan.js';
import { aggregateField } from './templates.js';

/**
 * The lines of `schema/access.yaml` for a table. Rows with an owner, and references to them, are visible to some callers.
 * @param fieldsOf the fields of a type of the schema
 */
export function accessOf(table: PlannedTable, fieldsOf: (type: string) => readonly string[]): string {
  const { type, field, fields, columns, relations, isOwned } = table;
  const rows = isOwned ? 'some' : 'all';
  const entries = [
    ...[field, fields, aggregateField(table)].map((name) => ({ access: 'all', type: 'Query', name })),
    ...['id', ...columns.map(({ property }) => property)].map((name) => ({ access: rows, type, name })),
    ...relations.map(({ kind, owner, target, field: name }) => ({
      access: owner.isOwned || (kind === 'one' && target.isOwned) ? 'some' : 'all',
      type: owner.type,
      name,
    })),
    ...['nodes', 'edges', 'pageInfo', 'totalCount'].map((name) => ({ access: 'all', type: `${type}Connection`, name })),
    ...['cursor', 'node'].map((name) => ({ access: rows, type: `${type}Edge`, name })),
    ...['Aggregate', 'GroupKey', 'Sum', 'Avg', 'Min', 'Max'].flatMap((suffix) =>
      fieldsOf(`${type}${suffix}`).map((name) => ({ access: 'all', type: `${type}${suffix}`, name })),
    ),
  ];
  const title = capitalized(table.nouns);
  const rule = (access: string, name: string, description: string): string => {
    const byType = Map.groupBy(
      entries.filter((entry) => entry.access === access),
      (entry) => entry.type,
    );
    if (byType.size === 0) return '';
    const lines = [...byType].map(([of, found]) => `    ${of}: [${found.map((entry) => entry.name).join(', ')}]\n`);
    return `- rule: ${name}\n  description: "${description}"\n  access: {USER: ${access}, MANAGER: ${access}, ADMIN: all}\n  fields:\n${lines.join('')}`;
  };
  return (
    rule('all', title, 'Sessions only.') +
    rule('some', `${title} with an owner`, 'Sessions only: the rows of the caller; an ADMIN reads all.') +
    changesOf(table, title)
  );
}

function changesOf(table: PlannedTable, title: string): string {
  const names = mutationNames(table);
  if (names.length === 0) return '';
  return `- rule: Changes of ${title.charAt(0).toLowerCase()}${title.slice(1)}\n  description: "ADMIN with a session."\n  access: {ADMIN: all}\n  fields:\n    Mutation: [${names.join(', ')}]\n`;
}
