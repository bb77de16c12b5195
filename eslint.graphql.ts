import graphqlEslint, { type GraphQLESLintRule, type GraphQLESTreeNode } from '@graphql-eslint/eslint-plugin';
import type { Linter } from 'eslint';
import { Kind, type DirectiveNode } from 'graphql';

const schemaFile = 'schema/schema.graphql';

/** Folders with operations of their own; within one, no two share a name. */
const operationFolders = ['test/e2e', 'examples/web', 'examples/node'];

/** One for all files: the plugin keeps the first that it meets. */
const graphQLConfig = {
  projects: Object.fromEntries(operationFolders.map((folder) => [folder, { schema: schemaFile, documents: `${folder}/**/*.graphql` }])),
};

const naming = {
  types: 'PascalCase',
  FieldDefinition: 'camelCase',
  InputValueDefinition: 'camelCase',
  DirectiveDefinition: 'camelCase',
  // The values that a model knows are written as the model has them.
  'EnumTypeDefinition:not([description.value=/^The values of /]) > EnumValueDefinition': 'UPPER_CASE',
  'FieldDefinition[parent.name.value=Query]': { style: 'camelCase', forbiddenPrefixes: ['query', 'get'], forbiddenSuffixes: ['Query'] },
  'FieldDefinition[parent.name.value=Mutation]': { style: 'camelCase', forbiddenPrefixes: ['mutation'], forbiddenSuffixes: ['Mutation'] },
};

/** Whoever reads `@deprecated` must learn what to use instead, and until when what they use stays. */
const deprecationDate: GraphQLESLintRule = {
  meta: {
    type: 'problem',
    messages: { lacksDate: 'End the reason with the date of the removal: "Use x; removed on or after 2027-03-01."' },
    schema: [],
  },
  create: (context) => ({
    'Directive[name.value=deprecated]'(node: GraphQLESTreeNode<DirectiveNode>) {
      const reason = node.arguments?.find((argument) => argument.name.value === 'reason')?.value;
      const date = reason?.kind === Kind.STRING ? /; removed on or after (\d{4}-\d{2}-\d{2})\.$/.exec(reason.value)?.[1] : undefined;
      if (date === undefined || Number.isNaN(Date.parse(date))) context.report({ node, messageId: 'lacksDate' });
    },
  }),
};

const plugin = { ...graphqlEslint, rules: { ...graphqlEslint.rules, 'deprecation-date': deprecationDate } };

/** How the schema and the operations of `.graphql` files are written. */
export const graphqlLint = [
  {
    files: [schemaFile],
    plugins: { '@graphql-eslint': plugin },
    languageOptions: { parser: graphqlEslint.parser, parserOptions: { graphQLConfig } },
    rules: {
      ...graphqlEslint.configs['flat/schema-recommended'].rules,
      ...graphqlEslint.configs['flat/schema-relay'].rules,
      '@graphql-eslint/deprecation-date': 'error',
      // Ids are what a Node has, which a test of the schema looks after; values, statistics and models have none.
      '@graphql-eslint/strict-id-in-types': 'off',
      // The specification asks for one direction at least, and of lists that they are short or paged only where they grow.
      '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
      '@graphql-eslint/relay-edge-types': ['error', { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false }],
      '@graphql-eslint/naming-convention': ['error', naming],
      '@graphql-eslint/require-description': [
        'error',
        { types: true, rootField: true, FieldDefinition: true, InputValueDefinition: true, EnumValueDefinition: true, DirectiveDefinition: true },
      ],
    },
  },
  {
    files: operationFolders.map((folder) => `${folder}/**/*.graphql`),
    plugins: { '@graphql-eslint': plugin },
    languageOptions: { parser: graphqlEslint.parser, parserOptions: { graphQLConfig } },
    rules: {
      ...graphqlEslint.configs['flat/operations-recommended'].rules,
      // What a client keeps in a cache of its own it knows best.
      '@graphql-eslint/require-selections': 'off',
    },
  },
] as unknown as Linter.Config[];
