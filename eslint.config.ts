import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { graphqlLint } from './eslint.graphql.ts';

/** `main -> app -> http, domains -> graphql -> auth, inference, documents, database, sources -> shared`: what each folder may not import. */
const arrows = [
  { target: './src/shared', from: './src', except: ['./shared'] },
  { target: './src/database', from: './src', except: ['./shared', './database'] },
  { target: './src/inference', from: './src', except: ['./shared', './inference'] },
  { target: './src/sources', from: './src', except: ['./shared', './sources'] },
  { target: './src/auth', from: './src', except: ['./shared', './auth', './config.ts'] },
  { target: './src/documents', from: './src', except: ['./shared', './auth', './documents'] },
  { target: './src/contract', from: './src', except: ['./shared', './documents', './contract'] },
  { target: './src/graphql', from: './src', except: ['./shared', './auth', './inference', './documents', './contract', './database', './sources', './graphql', './config.ts'] },
  { target: './src/http', from: './src', except: ['./shared', './auth', './documents', './sources', './graphql', './http', './config.ts'] },
  { target: './src/domains', from: './src', except: ['./shared', './auth', './inference', './documents', './contract', './database', './sources', './graphql', './domains'] },
  { target: './ide', from: './src', except: ['./domains/prediction/typed-models/names.ts'] },
  // Of inference, others see its one face.
  { target: './src/{app.ts,measured.ts,parts.ts,graphql,domains}/**', from: './src/inference', except: ['./predictor.ts'] },
  // Domains stand on each other one way: prediction -> user -> employee, and document -> user; of each other they see types, entities and loaders.
  { target: './src/domains/employee', from: './src/domains', except: ['./employee'] },
  { target: './src/domains/user', from: './src/domains', except: ['./user', './employee'] },
  { target: './src/domains/user', from: './src/domains/employee/*.{service,queries,resolver,permissions}.ts' },
  { target: './src/domains/prediction', from: './src/domains', except: ['./prediction', './user', './employee'] },
  { target: './src/domains/prediction', from: './src/domains/{user,employee}/*.{service,queries,resolver,permissions}.ts' },
  { target: './src/domains/document', from: './src/domains', except: ['./document', './user'] },
  { target: './src/domains/document', from: './src/domains/user/*.{service,queries,resolver,permissions}.ts' },
];

export default defineConfig(
  { ignores: ['**/dist', 'coverage', 'node_modules', '**/generated', 'model-store', '.data', 'profile'] },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: {
      'import-x/resolver-next': [createNodeResolver({ extensions: ['.ts', '.tsx', '.js'], extensionAlias: { '.js': ['.ts', '.tsx', '.js'] } })],
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
      'import-x/no-restricted-paths': ['error', { zones: arrows }],
      'import-x/no-cycle': 'error',
      'import-x/no-self-import': 'error',
      'no-restricted-properties': ['error', { object: 'process', property: 'env', message: 'Only main.ts and scripts read the environment; take values instead.' }],
      'no-console': 'error',
    },
  },
  { files: ['src/main.ts', 'src/scripts/**', 'test/**', 'bench/**', 'ops/**', 'examples/**', '*.ts'], rules: { 'no-restricted-properties': 'off' } },
  { files: ['examples/**'], rules: { 'no-console': 'off' } },
  {
    // Tests look into answers of any shape (the kit's `Any`); a wrong path fails the assertion.
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  ...graphqlLint,
  { files: ['src/database/migrations/**'], rules: { '@typescript-eslint/no-unused-vars': 'off' } },
);
