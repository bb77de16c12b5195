import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextIfAny } from './text-files.js';

/** Required sections of a card. */
const cardSections = {
  'What it is for': 'whom it helps, with what',
  Data: 'what it was trained on, where that came from, and what was done to it',
  Evaluation: 'how good it is, on what that was measured, and against what',
  Limits: 'where it is wrong or must not be used',
};

/** Marks a place of a card that its writer has to fill in. */
export const fillInMark = '**To fill in:**';

/**
 * Checks the card of a model: heading, required sections, links, and places that are still to be filled in.
 * @throws ModelRepositoryError if it is not text
 */
export async function checkCard(storeDir: string, name: string): Promise<{ problems: string[]; warnings: string[] }> {
  const file = `${name}/README.md`;
  const source = await readTextIfAny(join(storeDir, file), file);
  if (source === null) {
    const sections = Object.keys(cardSections).join(', ');
    return { problems: [`${file} is missing; write a card with the sections ${sections}`], warnings: [] };
  }
  const lines = source.split('\n');
  return {
    problems: [...problemsOfSections(name, file, lines), ...(await brokenLinks(join(storeDir, name), file, lines))],
    warnings: warningsOfMarks(file, lines),
  };
}

function warningsOfMarks(file: string, lines: readonly string[]): string[] {
  const marked = lines.flatMap((line, index) => (line.includes(fillInMark) ? [index + 1] : []));
  const [first] = marked;
  if (first === undefined) return [];
  const places = marked.length === 1 ? '1 place' : `${marked.length} places`;
  return [`${file}:${first}: ${places} marked "${fillInMark}"; write what is required there and remove the mark`];
}

function problemsOfSections(name: string, file: string, lines: readonly string[]): string[] {
  if (!/^# \S/.test(lines.find((line) => line.trim() !== '') ?? ''))
    return [`${file}:1: must begin with a heading such as "# Model card: ${name}"`];
  const headings = lines.flatMap((line, index) =>
    line.startsWith('## ') ? [{ title: line.slice(3).trim(), index }] : [],
  );
  return Object.entries(cardSections).flatMap(([section, reports]) => {
    const heading = headings.find(({ title }) => title.toLowerCase().startsWith(section.toLowerCase()));
    if (!heading) return [`${file}: has no section "## ${section}"; describe ${reports}`];
    const end = headings.find(({ index }) => index > heading.index)?.index ?? lines.length;
    const isEmpty = lines.slice(heading.index + 1, end).every((line) => line.trim() === '');
    return isEmpty
      ? [`${file}:${heading.index + 1}: the section "${heading.title}" is empty; describe ${reports}`]
      : [];
  });
}

/** Links and pictures of a card that point to missing files. */
async function brokenLinks(folder: string, file: string, lines: readonly string[]): Promise<string[]> {
  const links = lines.flatMap((line, index) =>
    [...line.matchAll(/\]\(([^)\s#]+)/g)].flatMap(([, target = '']) =>
      /^[a-z]+:/i.test(target) ? [] : [{ target, line: index + 1 }],
    ),
  );
  const found = await Promise.all(links.map(({ target }) => stat(join(folder, target)).catch(() => null)));
  return links
    .filter((_, index) => found[index] === null)
    .map(({ target, line }) => `${file}:${line}: links to ${target}, which is not there`);
}
