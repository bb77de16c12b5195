import type { Keyset } from '../../database/keyset.js';
import { sortCollation } from '../../database/text-comparison.js';
import type { TableCatalog, TableFacts } from '../../database/table-facts.js';
import { BadUserInput } from '../../errors/app-error.js';
import { indexedColumns, type Column, type Filterable } from './columns.js';
import { isEveryRow, isNoRow, relationsIn, type Condition, type Operator } from './condition.js';

/** What counts as served. */
interface Serving {
  operators: readonly Operator[];
  /** Whether filters that are older than the check count. */
  hasExemptions: boolean;
  /** Whether the condition is inside `or`. */
  isInOr?: boolean;
}

/** Rejects what PostgreSQL could only serve by reading all of a large table. */
export class IndexGuard {
  readonly #catalog: Pick<TableCatalog, 'facts' | 'known'>;
  readonly #maxRows: number;

  /** @param maxUnindexedRows a table with more rows is read only by an index; 0 for no limit */
  constructor(catalog: Pick<TableCatalog, 'facts' | 'known'>, { maxUnindexedRows }: { maxUnindexedRows: number }) {
    this.#catalog = catalog;
    this.#maxRows = maxUnindexedRows;
  }

  /** Reads the indexes of a list's tables; await it before the first request. */
  async prepare({ table, relations }: Filterable): Promise<void> {
    if (this.#maxRows === 0) return;
    await this.#catalog.facts(table);
    for (const { to } of relations.values()) await this.#catalog.facts(to().table);
  }

  /**
   * Checks that an index serves a list: its filter, or its order if it has no filter.
   * @param order null for a list that is read as a whole, such as that of an aggregate
   * @returns a promise only if facts of a table have to be read
   * @throws BadUserInput that names the column and what to do
   */
  check(filterable: Filterable, condition: Condition, order: Keyset | null): Promise<void> | undefined {
    if (this.#maxRows === 0 || isNoRow(condition)) return undefined;
    const tables = [filterable.table, ...relationsIn(condition).map(({ to }) => to().table)];
    if (tables.every((table) => this.#catalog.known(table))) {
      this.#judge(filterable, condition, order);
      return undefined;
    }
    return Promise.all(tables.map((table) => this.#catalog.facts(table))).then(() =>
      this.#judge(filterable, condition, order),
    );
  }

  #factsOf(table: string): TableFacts {
    const facts = this.#catalog.known(table);
    if (!facts) throw new Error(`The facts of ${table} were not read.`);
    return facts;
  }

  /** The check once the facts are known. */
  #judge(filterable: Filterable, condition: Condition, order: Keyset | null): void {
    const facts = this.#factsOf(filterable.table);
    if (facts.rows <= this.#maxRows) return;
    const isAll = isEveryRow(condition);
    if (
      isAll
        ? order !== null && leads(facts, order)
        : this.#serves(facts, condition, { operators: isServing, hasExemptions: order !== null })
    ) {
      // A range may match most of the table, and sorting that by a column without an index would read all of it.
      if (isAll || order === null || leads(facts, order)) return;
      if (this.#serves(facts, condition, { operators: isNarrow, hasExemptions: false })) return;
      throw this.#rejection(
        filterable,
        'orderBy',
        `${order.property} has no index`,
        'sort by an indexed column, or filter one by eq, in or isNull',
      );
    }
    const remedy = `filter an indexed column (${indexedColumns(filterable).join(', ')}) by another operator than ne and notIn`;
    if (isAll && order)
      throw this.#rejection(
        filterable,
        'orderBy',
        `${order.property} has no index`,
        `sort by an indexed column, or ${remedy}`,
      );
    if (isAll) throw this.#rejection(filterable, 'filter', 'is absent', remedy);
    throw this.#rejection(
      filterable,
      'filter',
      `no index serves ${fieldsOf(condition).slice(0, 5).join(', ')}`,
      remedy,
    );
  }

  /** Whether an index serves a condition on a table. */
  #serves(facts: TableFacts, condition: Condition, serving: Serving): boolean {
    const { operators, hasExemptions, isInOr = false } = serving;
    const each = (of: readonly Condition[], isEachInOr: boolean) =>
      of.map((one) => this.#serves(facts, one, { ...serving, isInOr: isEachInOr }));
    if (condition.kind === 'not') return false;
    if (condition.kind === 'and') return each(condition.of, isInOr).includes(true);
    if (condition.kind === 'or') return !each(condition.of, true).includes(false);
    if (condition.kind === 'search')
      return (
        (hasExemptions && condition.isExempt === true) ||
        (facts.indexes.has(condition.text.index) && hasTrigram(condition.value))
      );
    if (condition.kind === 'comparison')
      return (
        operators.includes(condition.operator) &&
        !(condition.operator === 'isNull' && condition.value === false) &&
        (condition.operator === 'isNull'
          ? facts.indexedColumns.has(condition.column.column)
          : hasIndex(facts, condition.column))
      );
    const { relation, of } = condition;
    // PostgreSQL combines the indexes of one table for `or`, and joins another table only for what all rows have to meet.
    if (isInOr || !hasIndex(facts, { column: relation.column, type: 'uuid' })) return false;
    const related = this.#factsOf(relation.to().table);
    const isSmall = related.rows <= this.#maxRows;
    // Of a large table, even few rows are related to many.
    if (operators === isNarrow) return isSmall && this.#serves(related, of, serving);
    return isSmall || this.#serves(related, of, serving);
  }

  #rejection({ table }: Filterable, field: string, problem: string, remedy: string): BadUserInput {
    return BadUserInput.ofFields([
      {
        field,
        message: `would read all of ${table}, which has more than ${this.#maxRows} rows: ${problem}; ${remedy}`,
      },
    ]);
  }
}

const leads = (facts: TableFacts, { column, ...key }: Keyset): boolean =>
  hasIndex(facts, { column: column.slice(column.indexOf('.') + 1), ...key });

/** Whether an index starts with a column, in the collation of the condition or order. */
const hasIndex = (
  { indexedColumns }: TableFacts,
  { column, type, collation = sortCollation }: Pick<Column, 'column' | 'collation'> & { type: string },
): boolean => indexedColumns.get(column)?.has(type === 'text' && collation !== null ? collation : 'own') === true;

/** The operators that an index of the column serves. */
const isServing: readonly Operator[] = ['eq', 'in', 'lt', 'lte', 'gt', 'gte', 'isNull'];
/** Those of them that match few rows of most columns. */
const isNarrow: readonly Operator[] = ['eq', 'in', 'isNull'];

/** Whether a trigram index can find a text: in the locale C, trigrams consist of ASCII letters and digits. */
const hasTrigram = (text: string): boolean => /[a-z0-9]{3}/i.test(text);

/** The fields of the comparisons of a condition. */
function fieldsOf(condition: Condition): string[] {
  if (condition.kind === 'comparison' || condition.kind === 'search') return [condition.field];
  if (condition.kind === 'and' || condition.kind === 'or') return condition.of.flatMap(fieldsOf);
  return fieldsOf(condition.of);
}
