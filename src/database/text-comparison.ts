import { sql, type Expression, type RawBuilder } from 'kysely';

/**
 * What surrounds a text in SQL to compare it without regard to case, in the same way in every database: by the root rules of ICU, not by
 * the locale of the database. The forms of sigma and of i are equal, with and without a dot, and `ß` equals `ss`. Part of an
 * index: a change needs a migration.
 */
const fold = {
  start: 'replace(translate(lower((',
  end: `) collate "und-x-icu"), E'ςı\\u0307', 'σi'), 'ß', 'ss')`,
};

/** The expression in SQL that folds the case of another. */
export const folded = (expression: string): string => `${fold.start}${expression}${fold.end}`;

/** Folds the case of a parameter. */
export const foldedParameter = (value: string): RawBuilder<string> =>
  sql<string>`${sql.raw(fold.start)}${value}::text${sql.raw(fold.end)}`;

/** Folds the case of a column or another expression. */
export const foldedExpression = (expression: Expression<unknown>): RawBuilder<string> =>
  sql<string>`${sql.raw(fold.start)}${expression}${sql.raw(fold.end)}`;

/** A pattern of `like` for texts that contain another; its case is that of the text. */
export const containing = (text: string): string => `%${escaped(text)}%`;

/** A pattern of `like` for texts that start with another. */
export const startingWith = (text: string): string => `${escaped(text)}%`;

const escaped = (text: string): string => text.replace(/[\\%_]/g, '\\$&');

/** The form in which texts are stored and searched: Unicode NFC, so that an accent is one character or part of it everywhere. */
export const normalized = (text: string): string => text.normalize('NFC');

/**
 * The collation of sorted texts: the order of code points, which is the same on every server and in every version, so that an
 * upgrade of a library never makes an index invalid.
 */
export const sortCollation = '"C"';

/** A text column with a collation, or with its own if that is null. */
export const collated = (column: string, collation: string | null = sortCollation): RawBuilder<unknown> =>
  collation === null ? sql.ref(column) : sql`${sql.ref(column)} collate ${sql.raw(collation)}`;
