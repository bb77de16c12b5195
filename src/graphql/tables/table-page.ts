import type { RowPosition, TableOrder } from './table-order.js';

/** The first `limit` rows (backward: the last) between two positions. */
export interface TablePage {
  order: TableOrder;
  limit: number;
  isBackward: boolean;
  after: RowPosition | null;
  before: RowPosition | null;
}

/** Everything that the text of a page's statement depends on. */
export const pageKey = ({ order, limit, isBackward, after, before }: TablePage): string =>
  [order.key, limit, isBackward ? 'last' : 'first', `after ${nullsOf(after)}`, `before ${nullsOf(before)}`].join(' ');

const nullsOf = (position: RowPosition | null): string =>
  position === null ? '-' : position.map((value) => (value === null ? '0' : '1')).join('');

/** The values of its parameters. */
export const pageValues = ({ after, before }: TablePage): Record<string, unknown> =>
  Object.fromEntries([
    ...(after ?? []).map((value, index) => [`after${index}`, value]),
    ...(before ?? []).map((value, index) => [`before${index}`, value]),
  ]) as Record<string, unknown>;
