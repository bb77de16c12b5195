import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: '../../schema/schema.graphql',
  documents: 'src/operations.graphql',
  importExtension: '.ts',
  generates: {
    'src/generated/': {
      preset: 'client',
      // This client needs of a document only its id: it sends no text and keeps no cache.
      presetConfig: { fragmentMasking: false, skipIndexFile: true, persistedDocuments: { hashAlgorithm: 'sha256', mode: 'replaceDocumentWithHash' } },
      config: {
        useTypeImports: true,
        enumType: 'const',
        scalars: { Date: 'string', DateTime: 'string', JSONObject: 'Record<string, unknown>', SafeInt: 'number' },
      },
    },
  },
};

export default config;
