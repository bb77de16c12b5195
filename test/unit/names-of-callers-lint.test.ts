import { expect, it } from '@jest/globals';
import { Linter } from 'eslint';
import ts from 'typescript';
import tseslint from 'typescript-eslint';
import { callerNamesLint } from '../../lint/names-of-callers.js';

const filename = 'src/example.ts';

const declarations = `
  declare const record: Record<string, unknown>;
  declare const either: Record<string, number> | undefined;
  declare const known: Record<'a' | 'b', unknown>;
  declare const list: string[];
  declare const name: string;
  declare const key: 'a' | 'b';
  declare const index: number;
`;

/** The lines of code that the rule reports. */
function reported(lines: readonly string[]): string[] {
  const text = [...lines, declarations].join('\n');
  const host = ts.createCompilerHost({});
  const original = host.getSourceFile.bind(host);
  host.getSourceFile = (file, version) =>
    file === filename ? ts.createSourceFile(file, text, version, true) : original(file, version);
  const program = ts.createProgram([filename], { strict: true, lib: ['lib.es2024.d.ts'], types: [] }, host);
  const [config] = callerNamesLint;
  const languageOptions = { parser: tseslint.parser, parserOptions: { programs: [program] } };
  const messages = new Linter().verify(text, [{ ...config, languageOptions }] as Linter.Config[], { filename });
  expect(messages.filter(({ ruleId }) => ruleId !== 'auspex/own-names')).toEqual([]);
  return messages.map(({ line }) => lines[line - 1] ?? '');
}

it('rejects lookups by any name in plain objects alone', () => {
  const rejected = [
    'record[name];',
    'either?.[name];',
    'record[`x.${name}`];',
    'record[name] = 1;',
    'name in record;',
    'Reflect.get(record, name);',
    'Reflect.set(record, name, 1);',
  ];
  const accepted = [
    "record['a'];",
    'record[key];',
    'known[key];',
    'list[index];',
    "'a' in record;",
    "Reflect.get(record, 'a');",
    'new Map(Object.entries(record)).get(name);',
  ];
  expect(reported([...rejected, ...accepted])).toEqual(rejected);
});
