/** A statement of a migration that removes what the previous release still uses. */
export interface Destruction {
  statement: string;
  /** What it does to the release before. */
  reason: string;
}

/** What the release before still reads, or cannot write any more. Names may be quoted, and come with their schema. */
const rules: { pattern: RegExp; reason: string }[] = [
  {
    pattern: /\bdrop\s+(?:table|(?:materialized\s+)?view|schema|database|type|domain|sequence)\b/,
    reason: 'drops what may still be read',
  },
  {
    pattern:
      /\bdrop\s+column\b|\balter\s+table\b.*\bdrop\s+(?!constraint\b|column\b|default\b|not\b|expression\b|identity\b)(?:if\s+exists\s+)?["\w]/,
    reason: 'drops a column that may still be read',
  },
  {
    pattern: /\balter\s+(?:column\s+)?\S+\s+(?:set\s+data\s+)?type\b/,
    reason: 'changes the type of a column, and rewrites the table under an exclusive lock',
  },
  { pattern: /\brename\b/, reason: 'renames what is still read under its old name' },
  { pattern: /\btruncate\b|\bdelete\s+from\b/, reason: 'deletes rows' },
  { pattern: /\bset\s+not\s+null\b/, reason: 'rejects rows that are still written without the column' },
  {
    pattern:
      /\balter\s+table\b.*\badd\s+(?:column\s+)?(?!constraint\b)(?:if\s+not\s+exists\s+)?"?\w+"?\s(?!.*\b(?:default|generated)\b).*\bnot\s+null\b/,
    reason: 'adds a column without a default that rows need, which are still written without it',
  },
];

/** `destructive:` and a reason, in a comment of the statement, confirm that nothing needs what it removes. */
const marker = /\/\*\s*destructive:\s*\S.*?\*\//s;

/**
 * Finds statements that remove what the previous release still uses without a reason in a comment:
 * while replicas are replaced one by one, that release serves on the migrated database.
 */
export function unmarkedDestructions(statements: readonly string[]): Destruction[] {
  return statements.flatMap((statement) => {
    if (marker.test(statement)) return [];
    const sql = bare(statement);
    const rule = rules.find(({ pattern }) => pattern.test(sql));
    return rule ? [{ statement, reason: rule.reason }] : [];
  });
}

/** In lower case on one line, without comments and without texts. */
const bare = (statement: string): string =>
  statement
    .replace(/'(?:[^']|'')*'/g, "''")
    .replace(/\/\*.*?\*\//gs, ' ')
    .replace(/--[^\n]*/g, ' ')
    .replace(/\s+/g, ' ')
    .toLowerCase();
