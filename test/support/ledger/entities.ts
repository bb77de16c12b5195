import { registerEnumType } from 'type-graphql';
import { Role } from '../../../src/auth/viewer.js';
import { column, enumOf, listOf, textOf } from '../../../src/graphql/tables/column-types.js';
import { Column, ExistingTable } from '../../../src/graphql/tables/existing-table.js';

/*
 * The tables of ledger.sql, as `npm run new:type -- --tables` writes them; and a column that only an ADMIN reads.
 */

export enum Kind {
  ASSET = 'asset',
  DEBT = 'debt',
}
registerEnumType(Kind, {
  name: 'Kind',
  description: 'The values of the type ledger.kind.',
  valuesConfig: {
    ASSET: { description: 'The value asset.' },
    DEBT: { description: 'The value debt.' },
  },
});

@ExistingTable({
  schema: 'ledger',
  table: 'account',
  description: 'A row of the table ledger.account. Left out: secret_note (looks secret).',
})
export class Account {
  @Column(column.integer, {
    name: 'id',
    isKey: true,
    isGenerated: true,
    isIndexed: true,
    description: 'The column id.',
  })
  rowId!: number;

  @Column(column.text, { maxLength: 5, isIndexed: true, description: 'The column code.' })
  code!: string;

  @Column(column.text, { nullable: true, description: 'The column email.' })
  email!: string | null;

  @Column(enumOf('ledger.kind', Kind), { hasDefault: true, description: 'The column kind.' })
  kind!: Kind;

  @Column(column.numeric, { hasDefault: true, description: 'The column balance.' })
  balance!: string;

  @Column(column.integer, { nullable: true, description: 'The column lowest.' })
  lowest!: number | null;

  @Column(column.integer, { nullable: true, description: 'The column highest.' })
  highest!: number | null;

  @Column(listOf(column.text), { hasDefault: true, description: 'The column tags. Its first 1000 items.' })
  tags!: (string | null)[];

  @Column(listOf(column.text), {
    nullable: true,
    maxLength: 4,
    description: 'The column nicknames. Its first 1000 items.',
  })
  nicknames!: (string | null)[] | null;

  @Column(textOf('inet'), { nullable: true, description: 'The column address.' })
  address!: string | null;

  @Column(column.date, { nullable: true, description: 'The column opened.' })
  opened!: string | null;

  @Column(column.timestamp, { nullable: true, description: 'The column renewed.' })
  renewed!: string | null;

  @Column(column.bytea, { nullable: true, description: 'The column photo.' })
  photo!: string | null;

  @Column(column.jsonb, { nullable: true, description: 'The column settings.' })
  settings!: unknown;

  @Column(column.numeric, { isGenerated: true, nullable: true, description: 'The column doubled.' })
  doubled!: string | null;

  @Column(column.integer, { nullable: true, description: 'The column parent_id.' })
  parentId!: number | null;

  @Column(column.version, {
    name: 'xmin',
    isGenerated: true,
    description: 'Differs after each change of the row; updates and deletions compare it with expectedVersion.',
  })
  version!: string;
}

@ExistingTable({ schema: 'ledger', table: 'entry', description: 'A row of the table ledger.entry.', ownedBy: 'userId' })
export class Entry {
  @Column(column.integer, { isKey: true, isIndexed: true, description: 'The column account_id.' })
  accountId!: number;

  @Column(column.integer, { isKey: true, description: 'The column number.' })
  number!: number;

  @Column(column.uuid, { description: 'The column user_id.' })
  userId!: string;

  @Column(column.text, { nullable: true, description: 'The column text.' })
  text!: string | null;

  @Column(textOf('int4range'), { nullable: true, readableBy: [Role.ADMIN], description: 'The column during.' })
  during!: string | null;

  @Column(column.version, {
    name: 'xmin',
    isGenerated: true,
    description: 'Differs after each change of the row; updates and deletions compare it with expectedVersion.',
  })
  version!: string;
}

@ExistingTable({ schema: 'ledger', table: 'guarded', description: 'A row of the table ledger.guarded.' })
export class Guarded {
  @Column(column.integer, { name: 'id', isKey: true, isIndexed: true, hasDefault: true, description: 'The column id.' })
  rowId!: number;

  @Column(column.text, { nullable: true, description: 'The column text.' })
  text!: string | null;

  @Column(column.version, {
    name: 'xmin',
    isGenerated: true,
    description: 'Differs after each change of the row; updates and deletions compare it with expectedVersion.',
  })
  version!: string;
}

@ExistingTable({ schema: 'ledger', table: 'reading', description: 'A row of the partitioned table ledger.reading.' })
export class Reading {
  @Column(column.date, { isKey: true, isIndexed: true, description: 'The column at.' })
  at!: string;

  @Column(column.integer, { name: 'id', isKey: true, isIndexed: true, description: 'The column id.' })
  rowId!: number;

  @Column(column.integer, { description: 'The column value.' })
  value!: number;
}
