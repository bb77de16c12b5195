import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import regexp from 'eslint-plugin-regexp';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { importZones } from './lint/architecture.ts';
import { graphqlLint } from './lint/graphql.ts';
import { callerNamesLint } from './lint/names-of-callers.ts';

export default defineConfig(
  { ignores: ['**/dist', 'coverage', 'node_modules', '**/generated', 'model-store', '.data', 'profile'] },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: {
      'import-x/resolver-next': [
        createNodeResolver({ extensions: ['.ts', '.tsx', '.js'], extensionAlias: { '.js': ['.ts', '.tsx', '.js'] } }),
      ],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts', '.tsx'] },
      'import-x/extensions': ['.ts', '.tsx', '.js'],
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      // GraphQL types are classes for their decorators; rows and plain objects of their shape are what resolvers give.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/no-empty-function': ['error', { allow: ['arrowFunctions'] }],
      // As TypeScript has it: an argument that a signature or the schema needs, and the code does not.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true, allowConstructorOnly: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'import-x/no-restricted-paths': ['error', { zones: importZones }],
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-self-import': 'error',
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: 'Only main.ts and scripts read the environment; take values instead.',
        },
      ],
      'no-console': 'error',
    },
  },
  {
    files: ['src/main.ts', 'src/scripts/**', 'test/**', 'bench/**', 'ops/**', 'examples/**', '*.ts'],
    rules: { 'no-restricted-properties': 'off' },
  },
  { files: ['examples/**'], rules: { 'no-console': 'off' } },
  {
    // Tests read responses of any shape (`AnyData`); a wrong path fails the assertion.
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  {
    // Matching takes linear time in the text, which may be a caller's.
    files: ['**/*.ts'],
    ignores: ['test/**'],
    plugins: { regexp },
    rules: {
      'regexp/no-super-linear-backtracking': 'error',
      'regexp/no-super-linear-move': ['error', { report: 'potential' }],
    },
  },
  ...callerNamesLint,
  ...graphqlLint,
  { files: ['src/database/migrations/**'], rules: { '@typescript-eslint/no-unused-vars': 'off' } },
);
