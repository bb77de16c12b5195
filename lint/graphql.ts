import graphqlEslint, { type GraphQLESLintRule, type GraphQLESTreeNode } from '@graphql-eslint/eslint-plugin';
import type { Linter } from 'eslint';
import { Kind, type DirectiveNode } from 'graphql';
import { existingTables } from './existing-tables.ts';

const schemaFile = 'schema/schema.graphql';

/** Folders with operations; names are unique within each. */
const operationFolders = ['test/e2e', 'examples/web', 'examples/node'];

/** One for all files: the plugin keeps the first that it meets. */
const graphQLConfig = {
  projects: Object.fromEntries(
    operationFolders.map((folder) => [folder, { schema: schemaFile, documents: `${folder}/**/*.graphql` }]),
  ),
};

const naming = {
  types: 'PascalCase',
  FieldDefinition: 'camelCase',
  // An input of a model also has the spelling of the model.
  'InputValueDefinition:not([description.value=/^The same as /])': 'camelCase',
  DirectiveDefinition: 'camelCase',
  // Known values of a model keep the spelling of the model.
  'EnumTypeDefinition:not([description.value=/^Known values of /]) > EnumValueDefinition': 'UPPER_CASE',
  'FieldDefinition[parent.name.value=Query]': {
    style: 'camelCase',
    forbiddenPrefixes: ['query', 'get'],
    forbiddenSuffixes: ['Query'],
  },
  'FieldDefinition[parent.name.value=Mutation]': {
    style: 'camelCase',
    forbiddenPrefixes: ['mutation'],
    forbiddenSuffixes: ['Mutation'],
  },
};

/** Types without an id: their values belong to another object, or exist only in one response. */
const valueTypes = {
  types: [
    'BatchSizeCount',
    'ClassProbability',
    'ConvertedAmount',
    'ConvertedOutput',
    'CreatedApiKey',
    'MfaSetup',
    'ModelCanary',
    'ModelField',
    'ModelShadow',
    'ModelShadowOutput',
    'ModelVersionStatistics',
    'PageInfo',
    'PredictionWarning',
    'Session',
    'UserMfa',
  ],
  // The typed predictions of each model; the recorded object is a Prediction.
  suffixes: [
    'Connection',
    'Edge',
    'Payload',
    'Change',
    'Prediction',
    ...['Aggregate', 'GroupKey', 'Sum', 'Avg', 'Min', 'Max'],
  ],
};

/** A `@deprecated` reason names the replacement and the removal date. */
const deprecationDate: GraphQLESLintRule = {
  meta: {
    type: 'problem',
    messages: { lacksDate: 'End the reason with the date of the removal: "Use x; removed on or after 2027-03-01."' },
    schema: [],
  },
  create: (context) => ({
    'Directive[name.value=deprecated]'(node: GraphQLESTreeNode<DirectiveNode>) {
      const reason = node.arguments?.find((argument) => argument.name.value === 'reason')?.value;
      const date =
        reason?.kind === Kind.STRING
          ? /; removed on or after (\d{4}-\d{2}-\d{2})\.$/.exec(reason.value)?.[1]
          : undefined;
      if (date === undefined || Number.isNaN(Date.parse(date))) context.report({ node, messageId: 'lacksDate' });
    },
  }),
};

const typesOfTables = new Set(existingTables.map(({ type }) => type));
const { 'no-typename-prefix': noTypenamePrefix } = graphqlEslint.rules;

/** The rule of the plugin, except for fields that have the names of columns of an existing table, such as `Artist.artistId`. */
const typenamePrefix: GraphQLESLintRule = {
  ...noTypenamePrefix,
  create: (context) =>
    noTypenamePrefix.create(
      Object.create(context, {
        report: {
          value: (problem: { data?: { typeName?: string } }) => {
            if (!typesOfTables.has(problem.data?.typeName ?? '')) context.report(problem as never);
          },
        },
      }) as never,
    ),
};

const plugin = {
  ...graphqlEslint,
  rules: { ...graphqlEslint.rules, 'no-typename-prefix': typenamePrefix, 'deprecation-date': deprecationDate },
};

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
      // Objects have ids; values have none.
      '@graphql-eslint/strict-id-in-types': ['error', { exceptions: valueTypes }],
      // Lists that cannot grow are plain lists, and connections also return their nodes without edges.
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
      '@graphql-eslint/no-scalar-result-type-on-mutation': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ObjectTypeDefinition[name.value=Mutation] > FieldDefinition[gqlType.kind=NonNullType]',
          message: 'Make the result nullable: if one mutation of an operation fails, the results of the others remain.',
        },
      ],
      '@graphql-eslint/naming-convention': ['error', naming],
      '@graphql-eslint/require-description': [
        'error',
        {
          types: true,
          rootField: true,
          FieldDefinition: true,
          InputValueDefinition: true,
          EnumValueDefinition: true,
          DirectiveDefinition: true,
        },
      ],
    },
  },
  {
    files: operationFolders.map((folder) => `${folder}/**/*.graphql`),
    plugins: { '@graphql-eslint': plugin },
    languageOptions: { parser: graphqlEslint.parser, parserOptions: { graphQLConfig } },
    rules: {
      ...graphqlEslint.configs['flat/operations-recommended'].rules,
      // Client-side caching is the client's decision.
      '@graphql-eslint/require-selections': 'off',
    },
  },
] as unknown as Linter.Config[];
