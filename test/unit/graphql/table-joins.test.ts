import { describe, expect, it } from '@jest/globals';
import type { RowShape } from '../../../src/database/row-shapes.js';
import type { Join } from '../../../src/graphql/tables/references.js';
import { attachJoined, joinedRow } from '../../../src/graphql/tables/table-joins.js';

const shape = (...properties: string[]): RowShape<object> => ({
  key: properties.join(),
  properties,
  columns: () => [],
  row: (values, from = 0) => Object.fromEntries(properties.map((name, index) => [name, values[from + index]])),
});
const join = (field: string, of: RowShape<object>, joins: readonly Join[] = []): Join => ({
  field,
  table: { schema: 's', table: 't', columns: [], key: [], owner: null },
  shape: of,
  on: [],
  joins,
});

describe('joined rows', () => {
  const joins = [join('album', shape('id', 'title'), [join('artist', shape('id'))]), join('genre', shape('id'))];

  it('are made of the values after those of their row, each with those below it', () => {
    const row = {};
    expect(attachJoined(row, joins, ['own', true, 1, 'Blue', true, 2, true, 3], 1)).toBe(8);
    const album = joinedRow(row, 'album') ?? {};
    expect(album).toMatchObject({ id: 1, title: 'Blue' });
    expect(joinedRow(album, 'artist')).toEqual({ id: 2 });
    expect(joinedRow(row, 'genre')).toMatchObject({ id: 3 });
  });

  it('are null where there is no row, and absent where none was joined', () => {
    const row = {};
    attachJoined(row, joins, ['own', false, null, null, false, null, true, 3], 1);
    expect(joinedRow(row, 'album')).toBeNull();
    expect(joinedRow(row, 'genre')).toMatchObject({ id: 3 });
    expect(joinedRow(row, 'constructor')).toBeUndefined();
    expect(joinedRow({}, 'album')).toBeUndefined();
  });
});
