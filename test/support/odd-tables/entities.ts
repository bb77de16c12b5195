import { registerEnumType } from 'type-graphql';
import { Role } from '../../../src/auth/viewer.js';
import { column, enumOf, listOf, textOf } from '../../../src/graphql/tables/column-types.js';
import { Column, ExistingTable } from '../../../src/graphql/tables/existing-table.js';

/*
 * Some of its tables, as `npm run new:type -- --table` writes them.
 */

enum Mood {
  HAPPY = 'happy',
  IN_BETWEEN = 'in between',
  GROESSER = 'größer',
}
registerEnumType(Mood, { name: 'Mood' });

@ExistingTable({ schema: 'odd', table: 'order_header', description: 'An order.' })
export class OrderHeader {
  @Column(column.integer, { isKey: true, isIndexed: true, description: 'The shop.' })
  shop!: number;

  @Column(column.integer, { isKey: true, description: 'The number within the shop.' })
  number!: number;

  @Column(column.timestamptz, { description: 'The time of the order.' })
  placedAt!: Date;
}

@ExistingTable({ schema: 'odd', table: 'order_line', description: 'A line of an order.' })
export class OrderLine {
  @Column(column.integer, { isKey: true, isIndexed: true, description: 'The shop.' })
  shop!: number;

  @Column(column.integer, { isKey: true, description: 'The number of the order.' })
  orderNumber!: number;

  @Column(column.integer, { isKey: true, description: 'The number of the line.' })
  line!: number;

  @Column(column.text, { description: 'The article.' })
  article!: string;
}

@ExistingTable({ schema: 'odd', table: 'notes', description: 'A note of a user.', ownedBy: 'userId' })
export class Note {
  @Column(column.integer, { name: 'id', isKey: true, description: 'The number.' })
  rowId!: number;

  @Column(column.uuid, { description: 'The user.' })
  userId!: string;

  @Column(column.text, { description: 'The text.' })
  text!: string;
}

@ExistingTable({ schema: 'odd', table: 'secrets', description: 'A row that an ADMIN reads.' })
export class Secret {
  @Column(column.integer, { name: 'id', isKey: true, isIndexed: true, description: 'The number.' })
  rowId!: number;

  @Column(column.text, { description: 'The text.' })
  text!: string;
}

@ExistingTable({ schema: 'odd', table: 'every_type', description: 'A row with a column of every type.' })
export class EveryType {
  @Column(column.bigint, { name: 'id', isKey: true, isGenerated: true, description: 'The number.' })
  rowId!: string;

  @Column(column.bigint, { nullable: true, description: 'A large number.' })
  large!: string | null;

  @Column(column.numeric, { nullable: true, description: 'An exact number.' })
  exact!: string | null;

  @Column(column.money, { nullable: true, description: 'A price.' })
  price!: string | null;

  @Column(column.real, { nullable: true, description: 'A number.' })
  single!: number | null;

  @Column(column.double, { nullable: true, description: 'A number.' })
  double!: number | null;

  @Column(column.char, { nullable: true, description: 'A padded text.' })
  padded!: string | null;

  @Column(enumOf('odd.mood', Mood), { nullable: true, description: 'An enum.' })
  mood!: Mood | null;

  @Column(listOf(enumOf('odd.mood', Mood)), { nullable: true, description: 'Enums.' })
  moods!: (Mood | null)[] | null;

  @Column(listOf(column.text), { description: 'Texts.' })
  tags!: (string | null)[];

  @Column(listOf(column.integer), { nullable: true, description: 'Numbers.' })
  numbers!: (number | null)[] | null;

  @Column(listOf(column.date), { nullable: true, description: 'Days.' })
  days!: (string | null)[] | null;

  @Column(column.date, { nullable: true, description: 'A day.' })
  born!: string | null;

  @Column(column.timestamptz, { nullable: true, description: 'A time.' })
  at!: Date | null;

  @Column(column.timestamp, { nullable: true, description: 'A time without a zone.' })
  local!: string | null;

  @Column(column.time, { nullable: true, description: 'A time of day.' })
  clock!: string | null;

  @Column(column.interval, { nullable: true, description: 'A span.' })
  span!: string | null;

  @Column(column.bytea, { nullable: true, description: 'Bytes.' })
  bytes!: string | null;

  @Column(column.json, { nullable: true, description: 'JSON.' })
  data!: unknown;

  @Column(column.jsonb, { nullable: true, description: 'JSON.' })
  document!: unknown;

  @Column(textOf('inet'), { nullable: true, description: 'An address.' })
  address!: string | null;

  @Column(textOf('int4range'), { nullable: true, description: 'A range.' })
  valid!: string | null;

  @Column(column.integer, { nullable: true, isGenerated: true, description: 'Computed.' })
  doubled!: number | null;

  @Column(column.integer, { name: 'Größe in cm', nullable: true, description: 'A name with spaces.' })
  groesseInCm!: number | null;
}

@ExistingTable({ schema: 'odd', table: 'by_time', description: 'A row by its time.' })
export class ByTime {
  @Column(column.exactTimestamptz, { isKey: true, description: 'The time.' })
  at!: string;

  @Column(column.integer, { nullable: true, description: 'The value.' })
  value!: number | null;
}

@ExistingTable({ schema: 'odd', table: 'sorted', description: 'A row to sort.' })
export class Sorted {
  @Column(column.integer, { name: 'id', isKey: true, isIndexed: true, description: 'The number.' })
  rowId!: number;

  @Column(column.integer, { nullable: true, isIndexed: true, description: 'A number.' })
  number!: number | null;

  @Column(column.text, { nullable: true, isIndexed: true, description: 'A word.' })
  word!: string | null;

  @Column(enumOf('odd.mood', Mood), { nullable: true, isIndexed: true, description: 'An enum.' })
  mood!: Mood | null;

  @Column(column.timestamptz, { isIndexed: true, description: 'A time that differs by microseconds.' })
  at!: Date;

  @Column(column.numeric, {
    nullable: true,
    isIndexed: true,
    readableBy: [Role.ADMIN],
    description: 'A secret number.',
  })
  hidden!: string | null;
}
