import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseCli } from '../src/scripts/lib/cli.ts';
import { existingTables } from './existing-tables.ts';
import { discouragedWordings } from './wording-list.ts';

const usage = `Usage: node lint/wording.ts [--count] [path ...]

Finds discouraged wording in tracked text files, by default in all. Exits 1 if there is any.

  --count  print the number of findings by file
`;

const root = path.join(import.meta.dirname, '..');

/** Files of other people or tools, and the list itself. */
const ignored = [
  /(?:^|\/)LICENSE$/,
  /(?:^|\/)package-lock\.json$/,
  /^lint\/wording/,
  // Names renamed things by their old names.
  /^CHANGELOG\.md$/,
  /\/generated\//,
  /^schema\/documents\//,
  /\.(?:png|onnx|jsonl|svg)$/,
];

/** Files that contain names and descriptions of all types. */
const filesOfTypes =
  /^(?:schema\/(?:schema\.graphql|access\.yaml)|docs\/access\.md|test\/integration\/[\w-]{1,100}-tables\.test\.ts|src\/domains\/index\.ts)$/;

interface Finding {
  file: string;
  line: number;
  column: number;
  text: string;
  use: string;
}

const { values, positionals } = parseCli(usage, {
  options: { count: { type: 'boolean', default: false } },
  maxPositionals: Infinity,
});
const findings = trackedFiles(positionals).flatMap(findingsIn);

if (values.count) {
  const counts = Map.groupBy(findings, ({ file }) => file);
  for (const [file, { length }] of [...counts].sort(([, a], [, b]) => b.length - a.length)) print(`${length} ${file}`);
} else {
  for (const { file, line, column, text, use } of findings) print(`${file}:${line}:${column} "${text}": write ${use}`);
}
if (findings.length > 0) print(`${findings.length} discouraged wordings; see lint/wording-list.ts`);
process.exitCode = findings.length > 0 ? 1 : 0;

function trackedFiles(within: readonly string[]): string[] {
  const list = execFileSync('git', ['ls-files', '-z', '--', ...within], { cwd: root, encoding: 'utf8' });
  return list
    .split('\0')
    .filter((file) => file !== '' && !ignored.some((pattern) => pattern.test(file)))
    .filter((file) => !existingTables.some(({ folder }) => file.startsWith(folder)));
}

function findingsIn(file: string): Finding[] {
  return readFileSync(path.join(root, file), 'utf8')
    .split('\n')
    .flatMap((text, index) =>
      discouragedWordings
        .filter(({ except }) => except?.test(text) !== true)
        .flatMap(({ pattern, use }) =>
          [...text.matchAll(pattern)]
            .filter(([word]) => !isBorrowed(file, word))
            .map((match) => ({
              file,
              line: index + 1,
              column: match.index + 1,
              text: match[0],
              use,
            })),
        ),
    );
}

/** Whether a word is of an existing table, in a file that repeats its names and comments. */
function isBorrowed(file: string, word: string): boolean {
  return filesOfTypes.test(file) && existingTables.some(({ text }) => text.toLowerCase().includes(word.toLowerCase()));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
