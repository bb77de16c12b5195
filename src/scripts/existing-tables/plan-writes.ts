import type { CatalogTable } from './catalog.js';
import type { Omission, PlannedColumn } from './plan-columns.js';

/** The mutations of a table. */
export interface PlannedWrites {
  hasCreate: boolean;
  hasUpdate: boolean;
  /** Whether a field shows the version of a row, with which updates and deletions compare theirs. */
  hasVersion: boolean;
}

/**
 * Plans the mutations of a table with a key. Views, foreign tables, and tables whose key the database does not enforce are read-only.
 * @param columns those with a field
 * @returns omissions which mutation is left out, and why
 */
export function planWrites(
  table: CatalogTable,
  key: readonly string[],
  columns: readonly PlannedColumn[],
  { readOnly = false }: { readOnly?: boolean | undefined },
): { writes: PlannedWrites | null; omissions: Omission[] } {
  if (readOnly) return { writes: null, omissions: [] };
  const reason = readOnlyReason(table, key);
  if (reason !== null) return { writes: null, omissions: [{ name: 'mutations', reason }] };
  const hidden = table.columns.filter(
    ({ name, isNullable, hasDefault, isGenerated }) =>
      !isNullable && !hasDefault && !isGenerated && !columns.some((column) => column.name === name),
  );
  const hasUpdate = columns.some(({ isKey, isGenerated }) => !isKey && !isGenerated);
  return {
    writes: { hasCreate: hidden.length === 0, hasUpdate, hasVersion: table.kind === 'table' },
    omissions: [
      ...(hidden.length === 0
        ? []
        : [
            {
              name: 'create',
              reason: `is left out: a row needs ${hidden.map(({ name }) => name).join(', ')}, which has no field`,
            },
          ]),
      ...(hasUpdate ? [] : [{ name: 'update', reason: 'is left out: the table has no columns beside its key' }]),
    ],
  };
}

function readOnlyReason({ kind, keys }: CatalogTable, key: readonly string[]): string | null {
  if (kind !== 'table' && kind !== 'partitioned table') return `are left out: it is a ${kind}`;
  const isUnique = keys.some((one) => one.every((column) => key.includes(column)));
  return isUnique ? null : 'are left out: no unique index makes its key identify one row';
}
