import type { CodegenConfig } from '@graphql-codegen/cli';
import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset';

const config: CodegenConfig = {
  schema: '../../schema/schema.graphql',
  documents: 'src/operations.graphql',
  importExtension: '.ts',
  generates: {
    'src/generated/': {
      // Apollo Client identifies cached objects by type, so the published documents must select __typename.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      preset: 'client',
      presetConfig: { fragmentMasking: false, skipIndexFile: true, persistedDocuments: { hashAlgorithm: 'sha256' } },
      config: {
        useTypeImports: true,
        enumType: 'const',
        scalars: { Date: 'string', DateTime: 'string', JSONObject: 'Record<string, unknown>', SafeInt: 'number' },
      },
    },
  },
};

export default config;
